"""gcc of the lock with its sysroot, as a Bazel C++ toolchain.

Each unusual flag has its reason beside it; docs/toolchains.md has the longer story.
"""

load("@bazel_tools//tools/cpp:cc_toolchain_config_lib.bzl", "env_entry", "env_set", "feature", "flag_group", "flag_set", "tool_path", "with_feature_set")
load("@rules_cc//cc:action_names.bzl", "ACTION_NAMES", "ALL_CC_COMPILE_ACTION_NAMES", "ALL_CC_LINK_ACTION_NAMES")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("//bazel/platforms:table.bzl", "DEBIAN", "GCC_VERSION", "MACHINES")
load("//bazel/toolchains:required.bzl", "CC_TOOLCHAIN")

_CXX_COMPILE = [
    action
    for action in ALL_CC_COMPILE_ACTION_NAMES
    if action not in (ACTION_NAMES.c_compile, ACTION_NAMES.assemble, ACTION_NAMES.preprocess_assemble)
]

def _flags(actions, flags, modes = None):
    return flag_set(
        actions = actions,
        flag_groups = [flag_group(flags = flags)],
        with_features = [with_feature_set(features = modes)] if modes else [],
    )

def _on(name, *flag_sets):
    return feature(name = name, enabled = True, flag_sets = list(flag_sets))

def _isystem(root, directories):
    return [flag for d in directories for flag in ["-isystem", root + "/" + d]]

# `--features=NAME`, or --config=NAME, which is more (.bazelrc). Their run times are linked in, as no image ships them.
_SANITIZERS = [
    ("asan", ["-fsanitize=address"], ["-fsanitize=address", "-static-libasan"]),
    ("ubsan", ["-fsanitize=undefined", "-fno-sanitize-recover=undefined"], ["-fsanitize=undefined", "-static-libubsan"]),
    ("tsan", ["-fsanitize=thread"], ["-fsanitize=thread", "-static-libtsan"]),
]

def _sanitizer(name, compile, link):
    return feature(
        name = name,
        flag_sets = [
            _flags(ALL_CC_COMPILE_ACTION_NAMES, compile),
            _flags(ALL_CC_LINK_ACTION_NAMES, link),
        ],
        implies = ["sanitized"],
    )

def _impl(ctx):
    machine = MACHINES[ctx.attr.machine]
    triple = machine["triple"]
    repository = ctx.label.workspace_root
    root = ctx.file.sysroot.path
    own = root == repository + "/root"
    features = [
        feature(name = "supports_pic", enabled = True),
        feature(name = "supports_dynamic_linker", enabled = True),
        feature(name = "opt"),
        feature(name = "dbg"),
        feature(name = "fastbuild"),
        # gcc writes $PWD as DW_AT_comp_dir when it names the working directory;
        # the sandbox's own path has a number that differs from action to action.
        feature(name = "reproducible_pwd", enabled = True, env_sets = [env_set(
            actions = ALL_CC_COMPILE_ACTION_NAMES + ALL_CC_LINK_ACTION_NAMES,
            env_entries = [env_entry("PWD", "/proc/self/cwd")],
        )]),
        _on("base_compile", _flags(ALL_CC_COMPILE_ACTION_NAMES, [
            "-no-canonical-prefixes",
            "-fno-canonical-system-headers",
            "-B%s/wrap/" % repository,
            "-fno-working-directory",
            "-ffile-prefix-map=/proc/self/cwd=.",
            "-Wno-builtin-macro-redefined",
            "-D__DATE__=\"redacted\"",
            "-D__TIME__=\"redacted\"",
            "-D__TIMESTAMP__=\"redacted\"",
            "-fstack-protector-strong",
            "-fno-omit-frame-pointer",
            # Position-independent code (--force_pic) else calls its own functions as if a library could replace them.
            "-fno-semantic-interposition",
            "-Wall",
            "-Wextra",
        ])),
        # Debian's gcc makes its standard include directories absolute (patch
        # canonical-cpppath), which Bazel refuses; those named by -isystem stay relative.
        _on(
            "include_directories",
            _flags(_CXX_COMPILE, ["-std=c++17", "-nostdinc++"] + _isystem(root, [
                "usr/include/c++/" + GCC_VERSION,
                "usr/include/%s/c++/%s" % (triple, GCC_VERSION),
                "usr/include/c++/%s/backward" % GCC_VERSION,
            ])),
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-nostdinc"] + _isystem(root, [
                "usr/lib/gcc/%s/%s/include" % (triple, GCC_VERSION),
                "usr/include/" + triple,
                "usr/include",
            ])),
        ),
        _on(
            "modes",
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-O2", "-DNDEBUG", "-D_FORTIFY_SOURCE=2", "-ffunction-sections", "-fdata-sections"], ["opt"]),
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-g"], ["dbg"]),
            _flags(ALL_CC_LINK_ACTION_NAMES, ["-Wl,--gc-sections"], ["opt"]),
        ),
    ] + [
        _sanitizer(name, compile, link)
        for name, compile, link in _SANITIZERS
    ] + [
        feature(name = "sanitized", flag_sets = [
            # Behind those of the mode, which they take back.
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-g1", "-O1", "-U_FORTIFY_SOURCE"]),
        ]),
        feature(name = "unoptimised", flag_sets = [
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-O0"]),
        ]),
        feature(name = "coverage_calls", flag_sets = [
            _flags(ALL_CC_COMPILE_ACTION_NAMES, ["-fsanitize-coverage=trace-pc,trace-cmp"]),
        ]),
        _on("base_link", _flags(ALL_CC_LINK_ACTION_NAMES, [
            "-no-canonical-prefixes",
            "-B%s/wrap/" % repository,
        ] + ([] if own else [
            # A compiler for another machine looks for crtbegin.o and libgcc beside itself.
            "-B%s/usr/lib/gcc/%s/%s/" % (root, triple, GCC_VERSION),
        ]) + [
            "-Wl,--build-id=sha1",
            "-Wl,-z,relro,-z,now",
            "-lstdc++",
            "-lm",
        ])),
    ]
    tools = {tool: "wrap/" + tool for tool in ["ar", "dwp", "ld", "nm", "objcopy", "objdump", "strip"]} | {
        tool: "root/usr/bin/" + tool
        for tool in ["cpp", "gcc", "gcov"]
    }
    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx,
        abi_libc_version = "glibc_" + DEBIAN["glibc"],
        abi_version = "gcc",
        builtin_sysroot = root,
        compiler = "gcc",
        # Relative to the sysroot: headers below it need no declaration as inputs.
        cxx_builtin_include_directories = [
            "%%sysroot%%/usr/lib/gcc/%s/%s/include" % (triple, GCC_VERSION),
            "%sysroot%/usr/include",
        ],
        features = features,
        host_system_name = "local",
        target_cpu = {"x86_64": "k8"}.get(machine["cpu"], machine["cpu"]),  # as Bazel calls it
        target_libc = "glibc_" + DEBIAN["glibc"],
        target_system_name = "local",
        tool_paths = [tool_path(name = name, path = path) for name, path in tools.items()],
        toolchain_identifier = CC_TOOLCHAIN,
    )

cc_toolchain_config = rule(
    doc = "Configuration of the C++ toolchain of this repository, which holds `root` and `wrap`.",
    implementation = _impl,
    attrs = {
        "machine": attr.string(mandatory = True, doc = "Key of `MACHINES`: what its programs run on."),
        "sysroot": attr.label(mandatory = True, allow_single_file = True, doc = "The root with headers and libraries of that machine."),
    },
    provides = [CcToolchainConfigInfo],
)
