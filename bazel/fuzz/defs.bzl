"""Fuzz tests of C++, after rules_fuzzing: libFuzzer on gcc's coverage, with ASan and UBSan.

```starlark
load("//bazel/fuzz:defs.bzl", "cc_fuzz_test", "fuzz_run")

cc_fuzz_test(
    name = "parser_fuzz_test",
    srcs = ["parser_fuzz_test.cc"],  # LLVMFuzzerTestOneInput
    corpus = glob(["corpus/parser/*"]),
    deps = [":parser"],
)

fuzz_run(
    name = "fuzz",
    tests = [":parser_fuzz_test"],
)
```
"""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("@rules_python//python:defs.bzl", "py_binary")

_FuzzedInfo = provider(
    "What a fuzz test is made of.",
    fields = {
        "corpus": "list of files: inputs to begin with",
        "options": "list of strings: libFuzzer's",
    },
)

_FEATURES = "//command_line_option:features"
_DYNAMIC_MODE = "//command_line_option:dynamic_mode"

def _instrument_impl(settings, _):
    # Behind the caller's, which never name a sanitizer here: see cc_fuzz_test.
    return {
        _DYNAMIC_MODE: "off",  # see .bazelrc
        _FEATURES: settings[_FEATURES] + ["asan", "ubsan", "coverage_calls"],
    }

_instrument = transition(
    implementation = _instrument_impl,
    inputs = [_FEATURES],
    outputs = [_DYNAMIC_MODE, _FEATURES],
)

def _unoptimised_impl(settings, _):
    return {_FEATURES: settings[_FEATURES] + ["unoptimised"]}

_unoptimised = transition(
    implementation = _unoptimised_impl,
    inputs = [_FEATURES],
    outputs = [_FEATURES],
)

def _runfiles(ctx, files, of):
    return ctx.runfiles(files).merge(of[DefaultInfo].default_runfiles)

def _fuzz_target_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = program, target_file = ctx.executable.program, is_executable = True)
    return [
        DefaultInfo(
            executable = program,
            runfiles = _runfiles(ctx, ctx.files.corpus + ctx.files.dictionary, ctx.attr.program[0]),
        ),
        _FuzzedInfo(
            corpus = ctx.files.corpus,
            options = ctx.attr.options,
        ),
    ]

_fuzz_target = rule(
    implementation = _fuzz_target_impl,
    attrs = {
        "corpus": attr.label_list(allow_files = True),
        "dictionary": attr.label(allow_single_file = True),
        "options": attr.string_list(),
        "program": attr.label(cfg = _instrument, executable = True, mandatory = True),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    executable = True,
)

# Apart from the target: a test has outputs of its own for each program that it is part of.
def _fuzz_test_impl(ctx):
    test = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = test, target_file = ctx.executable.target, is_executable = True)

    # libFuzzer's own form; a final newline would be part of a name.
    seeds = ctx.actions.declare_file(ctx.label.name + ".seeds")
    ctx.actions.write(seeds, ",".join([f.short_path for f in ctx.attr.target[0][_FuzzedInfo].corpus]))
    return [DefaultInfo(
        executable = test,
        runfiles = _runfiles(ctx, [seeds], ctx.attr.target[0]),
    )]

_fuzz_test = rule(
    implementation = _fuzz_test_impl,
    attrs = {
        # A test compiles for longer than it runs.
        "target": attr.label(cfg = _unoptimised, executable = True, mandatory = True, providers = [_FuzzedInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    test = True,
)

def cc_fuzz_test(name, corpus, dictionary = None, runs = 1000, max_len = 4096, size = "small", deps = [], **kwargs):
    """A test that gives a fuzz target its corpus and, each time the same, some of what libFuzzer makes of it.

    It and all that it depends on are built with ASan, UBSan and coverage, whatever the
    configuration; not where that has a sanitizer of its own. The test is not optimised, what
    `fuzz_run` fuzzes is.

    Args:
      name: name of the test.
      corpus: files, each an input: what is well-formed, and what once failed.
      dictionary: file of this package with words of the format, one a line: https://llvm.org/docs/LibFuzzer.html#dictionaries.
      runs: inputs that the test tries, the corpus among them.
      max_len: bytes of the longest input.
      size: size of the test.
      deps: what is fuzzed.
      **kwargs: what else `cc_binary` takes.
    """
    program = name + "_program"
    target = name + "_target"
    cc_binary(
        name = program,
        testonly = True,
        tags = ["manual"],  # only as part of the target, instrumented
        deps = deps + [Label("//bazel/fuzz:libfuzzer")],
        **kwargs
    )
    options = [
        "-max_len=%d" % max_len,
        "-timeout=60",
        "-rss_limit_mb=1024",
    ] + (["-dict=%s/%s" % (native.package_name(), dictionary)] if dictionary else [])
    _fuzz_target(
        name = target,
        testonly = True,
        corpus = corpus,
        dictionary = dictionary,
        options = options,
        program = program,
        tags = ["manual"],  # the test has its own, and //... would compile everything once more
        target_compatible_with = select({
            Label("//bazel/toolchains:sanitized"): ["@platforms//:incompatible"],
            "//conditions:default": [],
        }),
    )
    _fuzz_test(
        name = name,
        size = size,
        # The seed is fixed: a test tells of a change, not of its luck.
        args = options + [
            "-seed=1",
            "-runs=%d" % runs,
            "-seed_inputs=@%s/%s.seeds" % (native.package_name(), name),
        ],
        target = target,
    )

def _fuzz_list_impl(ctx):
    listing = ctx.actions.declare_file(ctx.label.name + ".json")
    tests = []
    files = ctx.runfiles([listing])
    for test in ctx.attr.tests:
        fuzzed = test[_FuzzedInfo]
        tests.append({
            "corpus": [f.short_path for f in fuzzed.corpus],
            "label": "//%s:%s" % (test.label.package, test.label.name.removesuffix("_target")),
            "options": fuzzed.options,
            "program": test[DefaultInfo].files_to_run.executable.short_path,
        })
        files = files.merge(test[DefaultInfo].default_runfiles)
    ctx.actions.write(listing, json.encode_indent(tests) + "\n")
    return [DefaultInfo(files = depset([listing]), runfiles = files)]

_fuzz_list = rule(
    implementation = _fuzz_list_impl,
    attrs = {"tests": attr.label_list(providers = [_FuzzedInfo])},
)

def fuzz_run(name, tests, **kwargs):
    """A program that runs fuzz tests for as long as it is told to: `bazel run TARGET -- --help`.

    Args:
      name: name of the program.
      tests: `cc_fuzz_test`s.
      **kwargs: what else `py_binary` takes.
    """
    _fuzz_list(
        name = name + "_tests",
        testonly = True,
        tags = ["manual"],
        tests = [test + "_target" for test in tests],
    )
    cc_root = Label("@debian_cc//:root")
    main = Label("//bazel/fuzz:fuzz.py")
    run = Label("//bazel/toolchains:run")
    py_binary(
        name = name,
        testonly = True,
        srcs = [main],
        args = ["$(rootpath :%s_tests)" % name],
        data = [
            ":%s_tests" % name,
            cc_root,
            run,
        ],
        env = {
            "CC_ROOT": "$(rootpath %s)" % cc_root,
            "RUN": "$(rootpath %s)" % run,
        },
        main = main,
        deps = [
            Label("//bazel/image/base:namespaces"),
            Label("//bazel/platforms:table"),
        ],
        **kwargs
    )
