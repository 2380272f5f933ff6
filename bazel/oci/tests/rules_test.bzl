"""Tests of the rules: what they refuse, what they give, what the macros write."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//bazel/oci:defs.bzl", "oci_image", "oci_image_index", "oci_load", "oci_push_rule")

def _refuses_impl(ctx):
    env = analysistest.begin(ctx)
    asserts.expect_failure(env, ctx.attr.message)
    return analysistest.end(env)

_refuses_test = analysistest.make(
    _refuses_impl,
    attrs = {"message": attr.string()},
    expect_failure = True,
)

def _image_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    files = target[DefaultInfo].files.to_list()
    asserts.equals(env, 1, len(files))
    asserts.true(env, files[0].is_directory, "an image is a directory")
    asserts.equals(env, ctx.attr.image, files[0].basename)
    digests = [file.basename for file in target[OutputGroupInfo].digest.to_list()]
    asserts.equals(env, [ctx.attr.image + ".json.sha256"], digests)
    carried = [file.basename for file in target[DefaultInfo].default_runfiles.files.to_list()]
    for layer in ctx.attr.layers:
        asserts.true(env, layer in carried, "the runfiles lack %s: %s" % (layer, carried))
    return analysistest.end(env)

_image_test = analysistest.make(
    _image_impl,
    attrs = {
        "image": attr.string(doc = "Name of the directory."),
        "layers": attr.string_list(doc = "Files that the runfiles must have."),
    },
)

def _load_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    asserts.true(env, target[DefaultInfo].files_to_run.executable != None)
    tarballs = [file.short_path for file in target[OutputGroupInfo].tarball.to_list()]
    asserts.true(env, tarballs[0].endswith("load/tarball.tar"), str(tarballs))
    return analysistest.end(env)

_load_test = analysistest.make(_load_impl)

def _content_impl(ctx):
    env = analysistest.begin(ctx)
    (action,) = analysistest.target_actions(env)
    asserts.equals(env, ctx.attr.content, action.content)
    return analysistest.end(env)

_content_test = analysistest.make(_content_impl, attrs = {"content": attr.string()})

def rules_test_suite(name):
    """All tests of this file.

    Args:
      name: of the suite.
    """
    manual = ["manual"]
    scratch = {"architecture": "amd64", "os": "linux", "tags": manual}

    write_file(name = "lower", out = "lower.tar", tags = manual)
    write_file(name = "upper", out = "upper.tar", tags = manual)
    oci_image(
        name = "base",
        cmd = ["a b", "c\nd"],
        env = {"KEY": "a=b"},
        tars = [":lower"],
        **scratch
    )
    oci_image(name = "image", base = ":base", tags = manual, tars = [":upper"])
    oci_image_index(name = "index", images = [":image"], tags = manual)
    native.platform(
        name = "linux_amd64",
        constraint_values = ["@platforms//cpu:x86_64", "@platforms//os:linux"],
    )
    oci_image_index(name = "by_platform", images = [":image"], platforms = [":linux_amd64"], tags = manual)
    oci_load(name = "load", image = ":image", repo_tags = ["a:b"], tags = manual)

    _image_test(name = "image_test", image = "image", layers = ["lower.tar", "upper.tar"], target_under_test = ":image")
    _image_test(name = "index_test", image = "index", layers = ["image", "lower.tar"], target_under_test = ":index")
    _image_test(name = "by_platform_test", image = "by_platform", target_under_test = ":by_platform")
    _load_test(name = "load_test", target_under_test = ":load")
    _content_test(name = "cmd_test", content = "[\"a b\",\"c\\nd\"]\n", target_under_test = ":base_write_cmd")
    _content_test(name = "env_test", content = "[[\"KEY\",\"a=b\"]]\n", target_under_test = ":base_write_env")

    oci_image(name = "no_platform", os = "linux", tags = manual)
    oci_image(name = "two_platforms", base = ":base", **scratch)
    oci_image(name = "resources", resource_set = "mem_1t", **scratch)
    oci_push_rule(name = "tagged", image = ":image", repository = "localhost:5000/a:b", tags = manual)
    oci_push_rule(name = "no_image", image = "lower.tar", repository = "localhost:5000/a", tags = manual)
    refusals = {
        "no_image": "is no OCI image layout",
        "no_platform": "'os' and 'architecture' are mandatory when 'base' is unspecified.",
        "resources": "not one of",
        "tagged": "must have no tag and no digest",
        "two_platforms": "come from the image provided by 'base' and cannot be overridden.",
    }
    for target, message in refusals.items():
        _refuses_test(name = target + "_test", message = message, target_under_test = ":" + target)

    native.test_suite(
        name = name,
        tests = [":" + test + "_test" for test in ["image", "index", "by_platform", "load", "cmd", "env"] + refusals.keys()],
    )
