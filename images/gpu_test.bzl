"""gpu_analysis_test: that an image for GPUs can be analysed, without the gigabytes that it holds."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")

def _gpu_analysis_test_impl(ctx):
    env = analysistest.begin(ctx)
    images = [action for action in analysistest.target_actions(env) if action.mnemonic == "OCIImage"]
    asserts.equals(env, 1, len(images))
    history = [
        word.removeprefix("--history=")
        for action in images
        for word in action.argv
        if word.startswith("--history=")
    ]
    asserts.equals(env, ctx.attr.layers, history)
    return analysistest.end(env)

_gpu_analysis_test = analysistest.make(
    _gpu_analysis_test_impl,
    attrs = {"layers": attr.string_list(mandatory = True)},
    # Large wheels are not fetched.
    config_settings = {str(Label("//bazel/pypi:stand_ins_flag")): True},
)

def gpu_analysis_test(name, image, layers):
    """The rules of an image fit together: its layers, and the wheels that its program needs.

    Args:
      name: of the test.
      image: a paddle_image.
      layers: its history, from the lowest.
    """
    _gpu_analysis_test(
        name = name,
        layers = layers,
        target_under_test = image,
    )
