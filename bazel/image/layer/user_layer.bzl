"""user_layer: the files that any program expects of a system."""

load(":layer.bzl", "layer")

_LINKS = {name: "usr/" + name for name in ["bin", "lib", "lib64", "sbin"]}

_NSSWITCH = """\
passwd: files
group: files
hosts: files dns
networks: files
protocols: files
services: files
"""

def user_layer(
        name,
        user = "nonroot",
        uid = 65532,
        packages = [],
        dirs = {},
        exclude = [],
        **kwargs):
    """The user, /etc/passwd, /etc/group, /etc/nsswitch.conf, home, /tmp, and the links of the merged /usr.

    Args:
      name: of the target, and of the archive.
      user: name of the user that programs run as; the group has the same.
      uid: its UID and GID.
      packages: Debian packages of data, like base-files, for the same layer.
      dirs: more folders -> mode, or mode and owner.
      exclude: glob patterns of paths to leave out.
      **kwargs: what all rules have.
    """
    home = "home/" + user
    users = [("root", 0, "/root"), (user, uid, "/" + home), ("nobody", 65534, "/nonexistent")]
    groups = [("root", 0), ("tty", 5), (user, uid), ("nogroup", 65534)]
    layer(
        name = name,
        packages = packages,
        exclude = exclude,
        dirs = {
            home: "0755 %d:%d" % (uid, uid),
            "dev": "0755",
            "proc": "0755",
            "root": "0700",
            "run": "0755",
            "sys": "0755",
            "tmp": "1777",
            "var/tmp": "1777",
        } | dirs,
        symlinks = _LINKS,
        texts = {
            "etc/group": "".join(["%s:x:%d:\n" % group for group in groups]),
            "etc/nsswitch.conf": _NSSWITCH,
            "etc/passwd": "".join([
                # There is no shell to log in with.
                "%s:x:%d:%d:%s:%s:/sbin/nologin\n" % (login, number, number, login, folder)
                for login, number, folder in users
            ]),
        },
        **kwargs
    )
