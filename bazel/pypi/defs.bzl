"""Rules for Python tests.

```starlark
load("//bazel/pypi:defs.bzl", "pytest_test")

pytest_test(
    name = "loop_test",
    srcs = ["loop_test.py"],
    deps = [":loop"],
)
```
"""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_test(name, srcs, deps = [], data = [], args = [], **kwargs):
    """A test whose sources pytest of the lock runs.

    Args:
      name: name of the test.
      srcs: files with tests; every one is given to pytest.
      deps: Python libraries.
      data: files at run time.
      args: further arguments of pytest.
      **kwargs: what else `py_test` takes (env, size, tags, ...).
    """
    main = Label("//bazel/pypi:pytest_main.py")
    py_test(
        name = name,
        srcs = srcs + [main],
        args = args + ["$(rootpaths %s)" % src for src in srcs],
        data = data + srcs,
        main = main,
        deps = deps + [Label("@pypi//pytest")],
        **kwargs
    )
