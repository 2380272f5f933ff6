"""Rules that run the toolchain's binary utilities on prebuilt libraries."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain", "use_cpp_toolchain")
load("//bazel/toolchains:required.bzl", "require_cc")

# Of rules that make a library of another.
_LIBRARIES = {
    "out": attr.output(mandatory = True, doc = "The library to make."),
    "src": attr.label(mandatory = True, allow_single_file = True, doc = "The library as it came."),
}

def _stripped_library_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    require_cc(ctx, toolchain)
    ctx.actions.run(
        executable = toolchain.strip_executable,
        arguments = ["--strip-unneeded", "-o", ctx.outputs.out.path, ctx.file.src.path],
        inputs = depset([ctx.file.src], transitive = [toolchain.all_files]),
        outputs = [ctx.outputs.out],
        mnemonic = "Strip",
        progress_message = "Stripping " + ctx.file.src.short_path,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

stripped_library = rule(
    doc = "A shared library without the symbols that no loader reads.",
    implementation = _stripped_library_impl,
    attrs = _LIBRARIES,
    toolchains = use_cpp_toolchain(),
)

def _protected_library_impl(ctx):
    ctx.actions.run(
        executable = ctx.executable._writer,
        arguments = [ctx.file.src.path, ctx.outputs.out.path, ctx.attr.text],
        inputs = [ctx.file.src],
        outputs = [ctx.outputs.out],
        mnemonic = "Protect",
        progress_message = "Protecting the symbols of " + ctx.file.src.short_path,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

protected_library = rule(
    doc = "A shared library that uses its own functions of some names, whatever else there is of that name.",
    implementation = _protected_library_impl,
    attrs = _LIBRARIES | {
        "text": attr.string(mandatory = True, doc = "What their mangled names have in them."),
        "_writer": attr.label(
            default = "//bazel/paddle/private:protect",
            doc = "Writes the library.",
            executable = True,
            cfg = "exec",
        ),
    },
)

def _two_processors(_os, _inputs):
    return {"cpu": 2}

def _gpu_code_library_impl(ctx):
    ctx.actions.run(
        executable = ctx.executable._packer,
        arguments = [ctx.file.src.path, ctx.outputs.out.path],
        inputs = [ctx.file.src],
        outputs = [ctx.outputs.out],
        mnemonic = "GpuCode",
        progress_message = "Compressing the GPU code of " + ctx.file.src.short_path,
        resource_set = _two_processors,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

gpu_code_library = rule(
    doc = "A shared library whose code for GPUs is compressed, as nvcc does on demand.",
    implementation = _gpu_code_library_impl,
    attrs = _LIBRARIES | {
        "_packer": attr.label(
            default = "//bazel/paddle/private:gpu_code",
            doc = "Writes the library.",
            executable = True,
            cfg = "exec",
        ),
    },
)

def _pystub_source_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    require_cc(ctx, toolchain)
    ctx.actions.run(
        executable = ctx.executable._generator,
        arguments = [toolchain.nm_executable, ctx.file.library.path, ctx.outputs.out.path],
        inputs = depset([ctx.file.library], transitive = [toolchain.all_files]),
        outputs = [ctx.outputs.out],
        mnemonic = "PyStub",
        progress_message = "Generating the libpython stub for " + ctx.file.library.short_path,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

pystub_source = rule(
    doc = "C source of a library that defines every symbol of libpython that another library needs.",
    implementation = _pystub_source_impl,
    attrs = {
        "library": attr.label(mandatory = True, allow_single_file = True, doc = "The library that lacks them."),
        "out": attr.output(mandatory = True, doc = "The C file to make."),
        "_generator": attr.label(
            default = "//bazel/paddle/private:pystub",
            doc = "Writes the C file.",
            executable = True,
            cfg = "exec",
        ),
    },
    toolchains = use_cpp_toolchain(),
)
