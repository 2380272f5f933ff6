"""The machine that builds, as a configuration that programs for it share with what is built for it."""

def _here_impl(settings, _attr):
    return {"//command_line_option:platforms": str(settings["//command_line_option:host_platform"])}

# `cfg` of a program that a rule runs and that is C++ of ours to a good part. As "exec" says too, it is for the
# machine that builds; but what is built for that machine anyway is compiled for both uses once.
here = transition(
    implementation = _here_impl,
    inputs = ["//command_line_option:host_platform"],
    outputs = ["//command_line_option:platforms"],
)
