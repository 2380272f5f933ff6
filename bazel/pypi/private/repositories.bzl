"""Repository rules for locked wheels.

A wheel is fetched through Bazel's own downloader, so that the repository cache
and `bazel vendor` cover it, and stays one directory: 70 runfiles for Paddle and
all that it needs, where one target a file makes 9,200.
"""

def _find(rctx, wheel):
    """Returns the wheel's URL on the site's index (PEP 503), or None."""
    index = rctx.os.environ.get("PYPI_INDEX", "").rstrip("/")
    if not index:
        fail("No PyPI index is known. Start Bazel by ./bazelw, which reads pip's configuration, or set PIP_INDEX_URL.")
    page_url = "%s/%s/" % (index, wheel["name"].replace("_", "-"))
    page = rctx.download(url = page_url, output = "index.html", allow_fail = True)
    if not page.success:
        return None
    html = rctx.read("index.html")
    rctx.delete("index.html")
    for anchor in html.split("<a ")[1:]:
        if "href=\"" not in anchor:
            continue
        url = anchor.split("href=\"", 1)[1].split("\"", 1)[0].replace("&amp;", "&")
        path = url.split("#", 1)[0].split("?", 1)[0]
        if path.rpartition("/")[2].replace("%2B", "+") == wheel["file"]:
            return _absolute(page_url, url.split("#", 1)[0])
    return None

def _absolute(base, url):
    """Resolves `url` against the page `base` (RFC 3986, section 5, as far as indexes use it)."""
    scheme, _, rest = base.partition("://")
    if "://" in url:
        return url
    if url.startswith("//"):
        return scheme + ":" + url
    host, _, path = rest.partition("/")
    if url.startswith("/"):
        return "%s://%s%s" % (scheme, host, url)
    segments = path.split("/")[:-1]
    for segment in url.split("/"):
        if segment == "..":
            segments.pop()
        elif segment != ".":
            segments.append(segment)
    return "%s://%s/%s" % (scheme, host, "/".join(segments))

def _fetch(rctx, wheel):
    # Without an index the repository cache may still have the bytes; Bazel
    # asks it by sha256 before it opens the URL, which then serves as a name.
    url = _find(rctx, wheel) or "file:///" + wheel["file"]
    if rctx.download(url = url, output = "wheel.zip", sha256 = wheel["sha256"], allow_fail = True).success:
        return
    what = "%s %s (%s)" % (wheel["name"], wheel["version"], wheel["file"])
    again = rctx.download(url = url, output = "wheel.zip", allow_fail = True)
    if again.success:
        rctx.delete("wheel.zip")
        fail("%s: wrong bytes from the index.\n  expected sha256 %s (wheels_lock.json)\n  got sha256      %s\nNothing of it was used. Try another index: `PIP_INDEX_URL=https://INDEX/simple ./bazelw ...`." %
             (what, wheel["sha256"], again.sha256))
    fail("%s cannot be fetched: the index is unreachable or does not have it (see the warning above).\nSet PIP_INDEX_URL to an index that works; if the version was withdrawn, run `./bazelw run //:lock`." % what)

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
    _fetch(rctx, wheel)
    rctx.report_progress("Unpacking " + wheel["file"])
    rctx.extract("wheel.zip", output = "site-packages")
    rctx.delete("wheel.zip")
    result = rctx.execute([rctx.attr._python, rctx.attr._install], timeout = 1200)
    if result.return_code:
        fail("%s cannot be installed:\n%s%s" % (wheel["file"], result.stdout, result.stderr))
    rctx.file("BUILD.bazel", _BUILD.format(
        deps = ["@pypi_%s//:library" % name for name in rctx.attr.requires],
    ))

wheel_repository = repository_rule(
    doc = "One wheel: the directory `site-packages` and a `py_library` of it.",
    implementation = _wheel_impl,
    attrs = {
        "wheel": attr.string(mandatory = True, doc = "The wheel's entry in the lock, as JSON."),
        "requires": attr.string_list(doc = "Names of the wheels that it requires."),
        "_install": attr.label(default = "//bazel/pypi/private:install.py"),
        "_python": attr.label(default = "@debian_python//:root/usr/bin/python3"),
    },
)

_HUB_BUILD = """\
package(default_visibility = ["//visibility:public"])

alias(name = "{name}", actual = "@pypi_{name}//:library")

alias(name = "site_packages", actual = "@pypi_{name}//:site_packages")
"""

def _hub_impl(rctx):
    for name in rctx.attr.wheels:
        rctx.file(name + "/BUILD.bazel", _HUB_BUILD.format(name = name))
    rctx.file("BUILD.bazel", "")

hub_repository = repository_rule(
    doc = "`@pypi//NAME` for every wheel.",
    implementation = _hub_impl,
    attrs = {"wheels": attr.string_list(doc = "Names of all wheels.")},
)
