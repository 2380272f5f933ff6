"""What programs and tests that use `//bazel/model/levels` need at run time.

```starlark
py_test(
    name = "my_test",
    data = LEVELS_DATA,
    env = LEVELS_ENV,
    deps = ["//bazel/model/levels"],
)
```
"""

LEVELS_DATA = [
    Label("//bazel/model/levels:as_cpu"),
    Label("@debian_tools//:bin/qemu-x86_64"),
    Label("@debian_tools//:qemu-x86_64"),
]

LEVELS_ENV = {
    "AS_CPU": "$(rootpath %s)" % LEVELS_DATA[0],
    "QEMU": "$(rootpath %s)" % LEVELS_DATA[1],
}
