"""Settings under which paddlepaddle 2.6.2 computes the same bits on every x86-64 CPU.

Each of them is read once, when the library that obeys it is loaded: `start` comes before the first
`import paddle`. What no setting can mend (an optimizer or a layer whose kernels differ by CPU) is
refused by `training.fit`.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import tempfile

from paddle_training import cpu, distributed

DETERMINISTIC_ENVIRONMENT = {
    # MKL's SGEMM picks another path, with another order of additions, on each of Intel AVX2, Intel
    # AVX-512 and AMD; COMPATIBLE is the only path that all of them have (AVX2 is refused on AMD).
    "MKL_CBWR": "COMPATIBLE",
    # A sum split over threads is added up in the order in which they end.
    "OMP_NUM_THREADS": "1",
}


def start(seed: int, fast: bool = False) -> None:
    """Settles how this process computes, alone or with others, then seeds every random generator.

    Args:
        seed: of Python's, NumPy's and Paddle's generators.
        fast: leave the CPU its quickest kernels, and the number of threads to OMP_NUM_THREADS (to
            paddle: 1); the bits then depend on the CPU.
    """
    cpu.need_avx()
    if not fast:
        late = [k for k, v in DETERMINISTIC_ENVIRONMENT.items() if os.environ.get(k) != v]
        # paddle_engine, the C++ engine as a module, loads the same libraries.
        if late and ("paddle" in sys.modules or "paddle_engine" in sys.modules):
            raise RuntimeError(
                f"{', '.join(late)} must be set before paddle is imported: call runtime.start "
                "first, and import paddle (and modules that do) after it."
            )
        os.environ.update(DETERMINISTIC_ENVIRONMENT)
    os.environ.setdefault("GLOG_minloglevel", "2")  # errors only; the progress is ours
    import numpy
    import paddle
    from paddle.jit.dy2static import utils

    distributed.start()
    # to_static writes the source that it makes below HOME/.cache, which a sandbox or a container
    # may not have.
    utils.get_temp_dir = _directory_for_sources
    random.seed(seed)
    numpy.random.seed(seed)
    paddle.seed(seed)


def seed_step(seed: int, step: int) -> None:
    """Seeds every source anew, by a run's seed, a step's number and the process's.

    What a step draws then depends on nothing that was drawn before it, and no generator has to be
    part of a checkpoint (Paddle's cannot be written down).
    """
    import numpy
    import paddle

    number = int(numpy.random.SeedSequence((seed, step, *distributed.place())).generate_state(1)[0])
    random.seed(number)
    numpy.random.seed(number)
    paddle.seed(number)


@functools.cache
def _directory_for_sources() -> str:
    """One temporary directory of this process; paddle removes it at exit."""
    return tempfile.mkdtemp(prefix="paddle_to_static_")


def is_deterministic() -> bool:
    """Whether the settings are in force in this process."""
    return all(os.environ.get(k) == v for k, v in DETERMINISTIC_ENVIRONMENT.items())


def settings() -> dict[str, str]:
    """The settings in force, for a model's metadata; one that is missing is not listed."""
    names = [
        *DETERMINISTIC_ENVIRONMENT,
        *(["PADDLE_TRAINERS_NUM"] if distributed.size() > 1 else []),
    ]
    return {k: os.environ[k] for k in names if k in os.environ}
