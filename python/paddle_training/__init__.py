"""What every training program of this project shares.

A runtime that gives the same bits everywhere, a training loop with checkpoints and logs, and an
export whose files say nothing about the machine that wrote them.

A program reads top-down like this (see `digits/train.py`):

    runtime.start(run.seed, run.fast)  # before the first import of paddle
    loss = training.fit(network, ...)  # counted in steps, never in time
    export.save(network, run.out, ...) # model.pdmodel, model.pdiparams, metadata.json
"""
