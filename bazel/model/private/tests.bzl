"""The tests that every model should have."""

load("//bazel/pypi:defs.bzl", "pytest_test")

def paddle_parity_test(name, model, tolerance = 1e-5, **kwargs):
    """A model gives the same bits wherever it runs: in Paddle's graphs, in Python and in C++.

    On all samples of the model:

    - dynamic graph (the trainer's outputs) = static graph (`paddle.jit.load`)
      = `paddle.inference` = C++ engine = `paddle_engine` (the engine's Python
      module), without oneDNN, bit for bit;
    - `paddle.inference` = C++ engine = `paddle_engine`, with oneDNN as a server
      runs it, bit for bit; these other kernels may differ from the dynamic
      graph by `tolerance`.

    Args:
      name: name of the test.
      model: label of a `paddle_model` with samples.
      tolerance: greatest difference of any output between the dynamic graph
        and oneDNN, relative to the output tensor's largest magnitude.
      **kwargs: what else `py_test` takes.
    """
    model = native.package_relative_label(model)
    samples = model.same_package_label(model.name + ".samples")
    pytest_test(
        name = name,
        srcs = ["//bazel/model/private:parity_test.py"],
        data = [
            model,
            samples,
            "//bazel/model/private:predict",
            "//bazel/toolchains:run",
        ],
        env = {
            "MODEL": "$(rootpath %s)" % model,
            "PREDICT": "$(rootpath //bazel/model/private:predict)",
            "RUN": "$(rootpath //bazel/toolchains:run)",
            "SAMPLES": "$(rootpath %s)" % samples,
            "TOLERANCE": str(tolerance),
        },
        deps = [
            "//cc/bindings",
            "//python/paddle_images",
        ],
        **kwargs
    )

def paddle_reproducible_test(name, trainer, main, args = [], cpus = [], **kwargs):
    """A trainer gives the same bits wherever, by whomever, on whatever CPU it runs.

    Runs it twice in different surroundings (path of the program, working
    directory, HOME, user, locale, time zone, umask, hash seed), and once on
    each of the CPUs, emulated; compares the files. On the first of the CPUs it
    also takes the deterministic settings away and wants to see other bits.

    An emulated run takes about 20 s even when it trains only a few steps.

    Args:
      name: name of the test.
      trainer: label of the training program, a `py_binary`.
      main: its main file.
      args: its arguments, beside `--out`; few steps are enough.
      cpus: models of qemu-x86_64, such as `Haswell` (`qemu-x86_64 -cpu help`
        lists them); it has AVX2 at most.
      **kwargs: what else `py_test` takes.
    """
    pytest_test(
        name = name,
        srcs = ["//bazel/model/private:reproducible_test.py"],
        data = [trainer, main] + ([
            "@debian_tools//:bin/qemu-x86_64",
            "@debian_tools//:qemu-x86_64",
        ] if cpus else []),
        env = {
            "CPUS": " ".join(cpus),
            "MAIN": "$(rootpath %s)" % main,
            "QEMU": "$(rootpath @debian_tools//:bin/qemu-x86_64)" if cpus else "",
            "TRAINER": "$(rootpath %s)" % trainer,
            "TRAINER_ARGS": " ".join(args),
        },
        timeout = kwargs.pop("timeout", "long" if cpus else "moderate"),
        deps = [trainer],
        **kwargs
    )
