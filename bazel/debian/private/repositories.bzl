"""Repository rules for locked Debian packages.

Starlark alone fetches and unpacks them (download, ar, tar.xz), so a bare
machine needs no dpkg. Every byte is checked against the lock's sha256.
"""

load("//bazel/platforms:table.bzl", "BASE", "MACHINES", "PYTHON_VERSION")

# Nothing that is built or run reads these.
_DROPPED = ["usr/share/" + d for d in ["bug", "doc", "doc-base", "info", "lintian", "locale", "man"]]

# Debian writes absolute paths into these linker scripts. ld decides by realpath
# whether a script lies in the sysroot, which a sandbox of symlinks defeats: it
# would link the HOST's libc. Bare file names are searched along -L and sysroot.
_LINKER_SCRIPTS = ["libc.so", "libm.so", "libm.a"]

def _urls(rctx, package):
    # Not declared in `environ`: another mirror serves the same bytes, so a
    # change of mirror must not fetch anything again.
    mirrors = [m.rstrip("/") for m in rctx.os.environ.get("DEBIAN_MIRROR", "").split(" ") if m]
    if package["suite"].endswith("-security"):
        # Mirrors keep the security archive beside the main one.
        own = [m.rstrip("/") for m in rctx.os.environ.get("DEBIAN_SECURITY_MIRROR", "").split(" ") if m]
        mirrors = own or [m + "-security" for m in mirrors]
    if not mirrors:
        fail("No Debian mirror is known. Start Bazel by ./bazelw, which reads the machine's apt sources, or set DEBIAN_MIRROR, as in `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw ...`.")
    return ["%s/pool/%s" % (mirror, package["pool"]) for mirror in mirrors]

def _start_download(rctx, package, output):
    return rctx.download(url = _urls(rctx, package), output = output, sha256 = package["sha256"], allow_fail = True, block = False)

# Of the two archives: the setting that names another mirror, and what is left to
# do about a version that has left its pool.
_MAIN = struct(
    setting = "DEBIAN_MIRROR",
    mirror = "http://MIRROR/debian",
    gone = "Take what is there now: `./bazelw run //:lock`.",
)
_SECURITY = struct(
    setting = "DEBIAN_SECURITY_MIRROR",
    mirror = "http://MIRROR/debian-security",
    gone = "That pool keeps only the newest: `./bazelw run //:lock -- --security` takes it. A site that keeps the bytes goes on with this one: Bazel's `--repository_cache`, or a mirror of its own. Without `--config=patched` images are built of debian_lock.json alone, which stays.",
)

def _finish_download(package, pending):
    if not pending.wait().success:
        archive = _SECURITY if package["suite"].endswith("-security") else _MAIN

        # Bazel's warning has the reason and, for wrong bytes, both digests.
        fail("""{name} {version} (pool/{pool}) cannot be fetched; the warning above says why.
  "Checksum was ... but wanted {sha256}": the mirror serves wrong bytes, and nothing of them was used. Take another mirror: `{setting}={mirror} ./bazelw ...`.
  "404 Not Found": this version has left the mirror. {gone}
  Anything else: the mirror does not answer. Set {setting} to one that does.""".format(
            gone = archive.gone,
            mirror = archive.mirror,
            setting = archive.setting,
            **{key: package[key] for key in ["name", "version", "pool", "sha256"]}
        ))

def _deb_impl(rctx):
    package = json.decode(rctx.attr.package)
    output = package["name"] + ".deb"
    _finish_download(package, _start_download(rctx, package, output))
    rctx.file("BUILD.bazel", "exports_files([%r])\n" % output)

deb_repository = repository_rule(
    doc = "One package: the file `NAME.deb`.",
    implementation = _deb_impl,
    attrs = {"package": attr.string(mandatory = True, doc = "The package's entry in the lock, as JSON.")},
)

# Where `patched` says so, packages of the security lock stand in the place of others.
_PATCHED = "@paddle_images//bazel/debian:is_patched"

_LOCKS = """\
package(default_visibility = ["//visibility:public"])

# The locks that Debian's packages in images come from.
filegroup(
    name = "locks",
    srcs = {locks} + select({{
        "{patched}": {security},
        "//conditions:default": [],
    }}),
)
"""

_PUBLIC = "package(default_visibility = [\"//visibility:public\"])"

def _build_for_arch(there, updated):
    """The BUILD file of what there is for one machine."""
    lines = [_PUBLIC]
    packages, updates = there["packages"], updated["packages"]
    for name, deb in packages.items():
        actual = repr(deb)
        if name in updates:
            actual = "select({%r: %r, \"//conditions:default\": %s})" % (_PATCHED, updates[name], actual)
        lines.append("alias(name = %r, actual = %s)" % (name, actual))
    for name, deb in updates.items():
        if name not in packages:
            lines.append("alias(name = %r, actual = select({%r: %r}, no_match_error = %r))" % (
                name,
                _PATCHED,
                deb,
                "%s came with security updates; it is there with --config=patched only." % name,
            ))
    for name, members in there["sets"].items():
        if name in packages:
            fail("debian.yaml: the set %s has the name of a package; rename the set." % name)
        more = [":" + update for update in updated["sets"].get(name, []) if update not in members]
        srcs = repr([":" + p for p in members])
        if more:
            srcs += " + select({%r: %r, \"//conditions:default\": []})" % (_PATCHED, more)
        lines.append("filegroup(name = %r, srcs = %s)" % (name, srcs))
    return "\n".join(lines) + "\n"

_MACHINE = "@paddle_images//bazel/platforms:%s"

def _hub_impl(rctx):
    packages, updates = json.decode(rctx.attr.packages), json.decode(rctx.attr.updates)
    nothing = {"packages": {}, "sets": {}}
    names = {}  # of packages and sets -> the machines that have them
    for arch in {arch: None for arch in [BASE] + packages.keys() + updates.keys()}:
        there, updated = packages.get(arch, nothing), updates.get(arch, nothing)
        rctx.file(arch + "/BUILD.bazel", _build_for_arch(there, updated))
        for name in {name: None for kind in (there, updated) for name in kind["packages"].keys() + kind["sets"].keys()}:
            names.setdefault(name, []).append(arch)
    lines = [_PUBLIC]
    for name, archs in names.items():
        actual = repr("//%s:%s" % (BASE, name))
        if archs != [BASE]:
            actual = "select({%s}, no_match_error = %r)" % (
                ", ".join(["%r: %r" % (_MACHINE % arch, "//%s:%s" % (arch, name)) for arch in archs]),
                "%s is locked for %s alone; `archs` in debian.yaml says so." % (name, ", ".join(archs)),
            )
        lines.append("alias(name = %r, actual = %s)" % (name, actual))
    rctx.file("BUILD.bazel", "\n".join(lines) + "\n")
    rctx.file("security.bzl", "SECURITY_DATE = %r\n" % rctx.attr.security_date)
    rctx.file("locks/BUILD.bazel", _LOCKS.format(
        locks = rctx.attr.locks.values(),
        patched = _PATCHED,
        security = rctx.attr.security_locks.values(),
    ))
    rctx.file("locks/defs.bzl", "# Hub -> the lock of its packages.\nLOCKS = {%s}\n" % ", ".join(
        ["%r: Label(%r)" % item for item in rctx.attr.locks.items()],
    ))

hub_repository = repository_rule(
    doc = "`@HUB//:PACKAGE` for every package, `@HUB//:SET` for every set, for the machine that is built for, and `@HUB//ARCH:...` for that one; `security.bzl` has the date of the security lock, `locks` all modules' locks.",
    implementation = _hub_impl,
    attrs = {
        "locks": attr.string_dict(doc = "Hub -> its lock, of all modules."),
        "packages": attr.string(mandatory = True, doc = "Architecture -> `packages`, each with its .deb, and `sets`, each with names of its packages; as JSON."),
        "security_date": attr.string(doc = "When the security lock was made."),
        "security_locks": attr.string_dict(doc = "Hub -> its security lock, of all modules."),
        "updates": attr.string(mandatory = True, doc = "The same of the security lock."),
    },
)

_DEFAULT_BUILD = """\
package(default_visibility = ["//visibility:public"])
exports_files(["root"] + {bins})
[filegroup(name = tool, srcs = ["bin/" + tool, "root"]) for tool in {tools}]
"""

def _delete_refused_links(rctx, root):
    """Deletes links that Bazel refuses in a directory: to what the set leaves out, and to a folder around them."""
    folders = [root]
    for _ in range(1000000):  # Starlark has no `while`
        if not folders:
            break
        folder = folders.pop()
        for child in folder.readdir():
            if not child.exists:
                rctx.delete(child)
            elif child.is_dir and child.realpath == folder.realpath.get_child(child.basename):
                folders.append(child)
            elif child.is_dir and (str(folder.realpath) + "/").startswith(str(child.realpath) + "/"):
                rctx.delete(child)  # as usr/bin/X11 of x11-common

# What is asked for and not locked yet fails when it is used, not before: else
# `./bazelw run //:lock`, which locks it, could not start.
_NO_TOOL = """\
#!/bin/sh
echo "{tool}: the locked package set has no {path}. If debian.yaml has its package, run ./bazelw run //:lock." >&2
exit 127
"""

def _root_impl(rctx):
    packages = json.decode(rctx.attr.packages)
    if not packages:
        fail("debian.root(name = \"%s\"): debian_lock.json has no set of that name. Add it to debian.yaml and run `./bazelw run //:lock`." %
             rctx.name.rpartition("~")[2])
    debs = {p["name"]: ("debs/%s.deb" % p["name"], p) for p in packages}
    pending = {name: _start_download(rctx, p, deb) for name, (deb, p) in debs.items()}
    for name, (_, p) in debs.items():
        _finish_download(p, pending[name])
    for name, (deb, _) in debs.items():
        rctx.report_progress("Unpacking " + name)
        rctx.extract(deb, output = "debs/" + name)
        for member in rctx.path("debs/" + name).readdir():
            if member.basename.startswith("data.tar"):
                rctx.extract(member, output = "root")
    rctx.delete("debs")
    for path in _DROPPED:
        rctx.delete("root/" + path)
    _delete_refused_links(rctx, rctx.path("root"))

    # From trixie on packages have all below /usr, and base-files, which few sets have, the links to it.
    if not rctx.path("root/lib").exists:
        for name in ["bin", "lib", "lib64", "sbin"]:
            if rctx.path("root/usr/" + name).exists:
                rctx.symlink("root/usr/" + name, "root/" + name)

    for triple in [machine["triple"] for machine in MACHINES.values()]:
        for name in _LINKER_SCRIPTS:
            path = rctx.path("root/usr/lib/%s/%s" % (triple, name))
            text = rctx.read(path) if path.exists else ""
            if text.startswith("/* GNU ld script"):  # and not the library itself, as on other machines
                for directory in ["/usr/lib/%s/" % triple, "/lib/%s/" % triple, "/lib64/", "/lib/"]:
                    text = text.replace(" " + directory, " ")
                rctx.delete(path)
                rctx.file(path, text, executable = False)

    for path, file in rctx.attr.files.items():
        rctx.file(path, rctx.read(file), executable = True)
    for tool, path in rctx.attr.tools.items():
        if rctx.path("root/" + path).exists:
            rctx.template("bin/" + tool, rctx.attr._tool, {"{path}": path}, executable = True)
        else:
            rctx.file("bin/" + tool, _NO_TOOL.format(tool = tool, path = path), executable = True)
    if rctx.attr.compile_python:
        result = rctx.execute([
            "root/usr/bin/python3",
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            "root",
            "root/usr/lib/python" + PYTHON_VERSION,
        ], environment = {"PYTHONHASHSEED": "0"})
        if result.return_code:
            fail("The standard library does not byte-compile:\n" + result.stdout + result.stderr)
    if rctx.attr.build_file:
        rctx.file("BUILD.bazel", rctx.read(rctx.attr.build_file))
    else:
        tools = rctx.attr.tools.keys()
        rctx.file("BUILD.bazel", _DEFAULT_BUILD.format(tools = tools, bins = ["bin/" + t for t in tools]))

root_repository = repository_rule(
    doc = "A package set unpacked into the directory `root`, with programs that run on its own libraries.",
    implementation = _root_impl,
    attrs = {
        "packages": attr.string(mandatory = True, doc = "The packages' entries in the lock, as a JSON list."),
        "build_file": attr.label(doc = "BUILD file of the repository."),
        "files": attr.string_keyed_label_dict(doc = "Path -> an executable file to put there."),
        "tools": attr.string_dict(doc = "Name -> path in the root."),
        "compile_python": attr.bool(doc = "Byte-compile the standard library."),
        "_tool": attr.label(
            default = "//bazel/debian/private:tool.sh.tpl",
            doc = "Start script of a program in the root.",
        ),
    },
)
