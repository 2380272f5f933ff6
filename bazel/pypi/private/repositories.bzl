"""Repository rules for locked wheels and sdists.

A wheel is fetched through Bazel's own downloader, so that the repository cache
and `bazel vendor` cover it, and stays one directory: 70 runfiles for Paddle and
all that it needs, where one target a file makes 9,200. An sdist is taken as a
wheel is: install.py says what of it.
"""

load("//bazel/platforms:table.bzl", "MACHINES")

def _fetch(rctx, wheel, archive):
    index = rctx.os.environ.get("PYPI_INDEX") or rctx.os.environ.get("PIP_INDEX_URL")
    if not index:
        fail("No PyPI index is known. Start Bazel by ./bazelw or bazelisk, which read pip's configuration, or set PYPI_INDEX.")

    # Not Bazel's downloader: it refuses plain http without a checksum, which a
    # page has not, and does not tell which address answered, on which relative
    # links depend.
    page = "%s/%s/" % (index.rstrip("/"), wheel["name"].replace("_", "-"))
    found = rctx.execute([rctx.attr._python, rctx.attr._find, page, wheel["file"]])

    # Without an index the repository cache may still have the bytes: Bazel
    # asks it by sha256 before it opens the URL, which then is a mere name.
    url = "file:///" + wheel["file"] if found.return_code else found.stdout.strip()
    if not rctx.download(url = url, output = archive, sha256 = wheel["sha256"], allow_fail = True).success:
        if found.return_code:
            fail(found.stderr)
        fail("""{name} {version} ({file}) cannot be fetched; the warning above says why.
  "Checksum was ... but wanted {sha256}": the index serves wrong bytes, and nothing of them was used. Take another index: `PYPI_INDEX=https://INDEX/simple ./bazelw ...`.
  Anything else: the index lists the file but does not give it. Set PYPI_INDEX to one that does.""".format(**wheel))

_BUILD = """\
load("@rules_python//python:defs.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

exports_files(["site-packages"])

filegroup(name = "site_packages", srcs = ["site-packages"])

py_library(
    name = "library",
    data = ["site-packages"],
    imports = ["site-packages"],
    deps = {deps},
)
"""

def _wheel_impl(rctx):
    wheel = json.decode(rctx.attr.wheel)
    rctx.file("BUILD.bazel", _BUILD.format(
        deps = rctx.attr.requires,
    ))
    if rctx.attr.unpacked:
        # The extension's own repositories have no names that a rule could resolve, but one prefix.
        prefix = rctx.name.removesuffix(rctx.name.replace("+", "~").rpartition("~")[2])
        unpacked = rctx.path(Label("@@%s%s//:BUILD.bazel" % (prefix, rctx.attr.unpacked))).dirname
        rctx.symlink(unpacked.get_child("site-packages"), "site-packages")
        return
    if "file" not in wheel:
        fail("%s is not in wheels_lock.json. Add it to requirements.in (or sdists.in) and run `./bazelw run //:lock`." % wheel["name"])
    sdist = wheel["file"].endswith(".tar.gz")
    archive = "sdist.tar.gz" if sdist else "wheel.zip"
    _fetch(rctx, wheel, archive)
    rctx.report_progress("Unpacking " + wheel["file"])
    rctx.extract(archive, output = "sdist" if sdist else "site-packages")
    rctx.delete(archive)
    rctx.watch(rctx.attr._byte_code)
    install = [rctx.attr._python, rctx.attr._install]
    if sdist:
        install += ["sdist", "%s-%s.dist-info" % (wheel["name"], wheel["version"])]
    result = rctx.execute(install, timeout = 1200)
    rctx.delete("sdist")
    if result.return_code:
        fail("%s cannot be installed:\n%s%s" % (wheel["file"], result.stdout, result.stderr))

wheel_repository = repository_rule(
    doc = "One wheel: the directory `site-packages` and a `py_library` of it.",
    implementation = _wheel_impl,
    attrs = {
        "unpacked": attr.string(doc = "Repository that has the same wheel unpacked."),
        "wheel": attr.string(mandatory = True, doc = "The wheel's entry in the lock, as JSON."),
        "requires": attr.string_list(doc = "Labels of the wheels that it requires."),
        "_byte_code": attr.label(default = "//bazel/pypi/private:byte_code.py", doc = "Compiles its modules, for install.py."),
        "_find": attr.label(default = "//bazel/pypi/private:find.py", doc = "Finds the wheel on the index."),
        "_install": attr.label(default = "//bazel/pypi/private:install.py", doc = "Installs the unpacked wheel."),
        "_python": attr.label(default = "@debian_python//:root/usr/bin/python3", doc = "Runs both programs."),
    },
)

_HUB_BUILD = """\
package(default_visibility = ["//visibility:public"])

alias(name = "{name}", actual = {library})

alias(name = "site_packages", actual = {site_packages})
"""

_STAND_IN_BUILD = """
alias(name = "here", actual = {library})

alias(name = "here_site_packages", actual = {site_packages})
"""

_LOCKS_BUILD = """\
package(default_visibility = ["//visibility:public"])

# The locks that wheels in images come from.
filegroup(
    name = "locks",
    srcs = {locks},
)
"""

def _stand_in(target):
    """What an alias stands for: a target, or where large wheels are not fetched the stand-in."""
    return """select({{
    "@paddle_images//bazel/pypi:stand_ins": "@paddle_images//bazel/pypi:stand_in",
    "//conditions:default": "{}",
}})""".format(target)

def _here(repositories, target, otherwise):
    """What an alias stands for: the target in the repository of the machine that is built for."""
    labels = {
        "@platforms//cpu:" + MACHINES[machine]["cpu"] if machine else "//conditions:default": "@%s//:%s" % (repository, target)
        for machine, repository in repositories.items()
    }
    if labels.keys() == ["//conditions:default"]:
        return repr(labels.values()[0])
    return "select(%r, no_match_error = %r)" % (labels, otherwise)

def _hub_impl(rctx):
    for name, wheel in rctx.attr.wheels.items():
        repositories = json.decode(wheel)
        otherwise = ("%s is in %s for %s alone: PyPI has no wheel of this version for the machine that is built for. " +
                     "Do without it there, or name another version in requirements.in and run `./bazelw run //:lock`.") % (
            name,
            rctx.attr.lock,
            ", ".join(repositories.keys()),
        )
        actual = {
            "library": _here(repositories, "library", otherwise),
            "site_packages": _here(repositories, "site_packages", otherwise),
        }
        build = _HUB_BUILD.format(name = name, **actual)
        if name in rctx.attr.large:
            build = _HUB_BUILD.format(name = name, library = _stand_in(":here"), site_packages = _stand_in(":here_site_packages")) + _STAND_IN_BUILD.format(**actual)
        rctx.file(name + "/BUILD.bazel", build)
    rctx.file("BUILD.bazel", _LOCKS_BUILD.format(locks = rctx.attr.locks.values()))
    rctx.file("locks.bzl", "# Hub -> the lock of its wheels.\nLOCKS = {%s}\n" % ", ".join(
        ["%r: Label(%r)" % item for item in rctx.attr.locks.items()],
    ))

hub_repository = repository_rule(
    doc = "`@HUB//NAME` for every wheel; `locks.bzl` has all modules' locks.",
    implementation = _hub_impl,
    attrs = {
        "large": attr.string_list(doc = "Names of those that a stand-in may stand for."),
        "lock": attr.string(mandatory = True, doc = "The lock that the wheels come from."),
        "locks": attr.string_dict(doc = "Hub -> its lock, of all modules."),
        "wheels": attr.string_dict(doc = "Name -> JSON: machine -> repository of the wheel; the machine \"\" is any other."),
    },
)
