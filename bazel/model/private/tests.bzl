"""The tests that every model should have."""

load("//bazel/model/levels:defs.bzl", "LEVELS_DATA", "LEVELS_ENV")
load("//bazel/platforms:paddle.bzl", "line_target")
load("//bazel/pypi:defs.bzl", "pytest_test")

_RUN = Label("//bazel/toolchains:run")

# One of each kind that MKL tells apart.
_CPUS = [
    "haswell",
    "zen2",
    "skylake-server",
]

def paddle_parity_test(name, model, tolerance = 1e-5, paddle = "2", **kwargs):
    """A model gives the same bits wherever it runs: in Paddle's graphs, in Python, in C++, served.

    On all samples of the model, and on the first row (or sequence of rows,
    where the model takes offsets, LoD) alone:

    - dynamic graph (the trainer's outputs, all rows only) = static graph
      (`paddle.jit.load`) = `paddle.inference` = C++ engine (`server predict`)
      = `paddle_engine` (the engine's Python module) = server (`//cc/server`,
      asked by HTTP, in JSON and in binary tensors, and by gRPC), without oneDNN,
      bit for bit;
    - `paddle.inference` = C++ engine = `paddle_engine` = server, with
      oneDNN as a server runs it, bit for bit; these other kernels may differ
      from the dynamic graph by `tolerance`.

    Of a model that was taken (`paddle_model_import`) the golden outputs are those
    of `paddle.inference`, which merges operators: to them the static graph is held
    within `tolerance`, all others bit for bit.

    A model of precision int8 runs with oneDNN's int8 kernels only: the second
    group's members are equal bit for bit, and within `tolerance` of the
    trainer's outputs.

    A row alone may differ from the same row in its batch by `tolerance`: see
    docs/models.md.

    Args:
      name: name of the test.
      model: label of a `paddle_model` with samples.
      tolerance: greatest difference of any output where bits are not equal,
        relative to the output tensor's largest magnitude.
      paddle: the line of Paddle that all ways run on, as of the `paddle_model`.
      **kwargs: what else `py_test` takes.
    """
    server = Label(line_target("//cc/server:server", paddle))
    model = native.package_relative_label(model)
    samples = model.same_package_label(model.name + ".samples")
    pytest_test(
        name = name,
        srcs = [Label("//bazel/model/private:parity_check.py")],
        data = [
            model,
            samples,
            _RUN,
            server,
        ],
        env = {
            "MODEL": "$(rootpath %s)" % model,
            "RUN": "$(rootpath %s)" % _RUN,
            "SAMPLES": "$(rootpath %s)" % samples,
            "SERVER": "$(rootpath %s)" % server,
            "TOLERANCE": str(tolerance),
        },
        deps = [
            Label(line_target("//bazel/model/private:ways", paddle)),
            Label(line_target("//python/paddle_training:paddle_training", paddle)),
        ],
        **kwargs
    )

def paddle_reproducible_test(name, trainer, main, args = [], cpus = _CPUS, **kwargs):
    """A trainer gives the same bits wherever, by whomever, on whatever CPU it runs.

    Runs it as it is; on one core; asked for four threads; in other surroundings
    (path of the program, working directory, HOME, user, locale, time zone, umask,
    hash seed); and on other CPUs. Compares the files.

    A run takes the time of a few steps, and of `import paddle`; about 30 s on a
    CPU that must be emulated.

    Args:
      name: name of the test.
      trainer: label of the training program, a `py_binary`.
      main: its main file.
      args: its arguments, beside `--out`; few steps are enough.
      cpus: names of `//bazel/model/levels`, such as `zen2`: shown by a trapped
        CPUID where the machine can, else emulated, or skipped with the reason
        when neither is possible. `zen2/qemu` is emulated on every machine.
      **kwargs: what else `py_test` takes.
    """
    pytest_test(
        name = name,
        srcs = [Label("//bazel/model/private:reproducible_check.py")],
        data = [trainer, main] + LEVELS_DATA,
        env = LEVELS_ENV | {
            "CPUS": " ".join(cpus),
            "MAIN": "$(rootpath %s)" % main,
            "TRAINER": "$(rootpath %s)" % trainer,
            "TRAINER_ARGS": " ".join(args),
        },
        timeout = kwargs.pop("timeout", "eternal"),  # emulated and traced, on a busy machine
        deps = [
            trainer,
            Label("//bazel/model/levels"),
        ],
        **kwargs
    )

def paddle_resume_test(name, trainer, module, steps, save_every, args = [], **kwargs):
    """A trainer that is killed goes on to the bits of one that was not.

    Kills it by SIGKILL three times, one of them while it writes a checkpoint,
    and compares model and samples with those of a run that nobody kills. The
    trainer is one of `paddle_training.training`, with `--samples`.

    Args:
      name: name of the test.
      trainer: label of the training program, a `py_binary`.
      module: what Python imports it by, such as `digits.train`; has `main`.
      steps: how many steps to train; at least 6 x save_every.
      save_every: steps from checkpoint to checkpoint.
      args: further arguments of the trainer.
      **kwargs: what else `py_test` takes.
    """
    pytest_test(
        name = name,
        srcs = [Label("//bazel/model/private:resume_check.py")],
        data = [trainer],
        env = {
            "EVERY": str(save_every),
            "MODULE": module,
            "STEPS": str(steps),
            "TRAINER": "$(rootpath %s)" % trainer,
            "TRAINER_ARGS": " ".join(args),
        },
        timeout = kwargs.pop("timeout", "long"),
        deps = [trainer],
        **kwargs
    )
