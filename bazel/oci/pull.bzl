"""oci_pull_repository: an image or artifact of a registry, as an OCI layout."""

def _oci_pull_impl(rctx):
    image, digest = rctx.attr.image, rctx.attr.digest
    if "://" in image or "@" in image or ":" in image.split("/")[-1] or "/" not in image:
        fail("image = \"%s\" must be HOST/NAME, without tag and digest" % image)
    if not digest.startswith("sha256:") or len(digest) != len("sha256:") + 64:
        fail(("digest = \"%s\" must be sha256:HEX, of 64 hexadecimal digits: a tag may be something else tomorrow. " +
              "`skopeo inspect --format '{{.Digest}}' docker://%s:TAG` tells it.") % (digest, image))
    done = rctx.execute(
        [rctx.attr._python, rctx.attr._pull, rctx.attr._skopeo, image, digest, "layout"],
        timeout = 3600,
    )
    if done.return_code:
        fail("%s cannot be fetched: %s" % (image, done.stderr.strip()))
    rctx.file("BUILD.bazel", rctx.attr.build_file_content)

oci_pull_repository = repository_rule(
    implementation = _oci_pull_impl,
    doc = "The layout is the directory `layout`. It is fetched by the skopeo of the lock, with the user's logins and mirrors.",
    attrs = {
        "build_file_content": attr.string(doc = "BUILD file.", default = "exports_files([\"layout\"])\n"),
        "digest": attr.string(doc = "sha256:HEX of the manifest; an index has several.", mandatory = True),
        "image": attr.string(doc = "HOST/NAME.", mandatory = True),
        "_pull": attr.label(default = "//bazel/oci/private:pull.py"),
        "_python": attr.label(default = "@debian_python//:root/usr/bin/python3"),
        # What pull.py imports: another one fetches again.
        "_sources": attr.label_list(default = [
            "//bazel/oci:layout.py",
            "//bazel/oci:logins.py",
            "//bazel/oci:processes.py",
            "//bazel/oci:skopeo.py",
        ]),
        "_skopeo": attr.label(default = "@debian_tools//:bin/skopeo"),
    },
)
