"""Which packages make Bazel, and what Debian's archive has of them now.

Debian forky moves: a locked package may vanish from its mirrors when a newer
one arrives. Then the same names are resolved again, out of the signed index.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bazel.debian.private import archive, resolve
from bazel.launcher.site import Problem, Site, without_credentials

SUITE = "forky"

WANTED = (
    "bazel-bootstrap",
    "default-jre-headless",
    "libblake3-0",  # bazel-bootstrap's JNI library needs it and does not say so
    # Modules that bazel-bootstrap does not depend on.
    "bazel-aspect-bazel-lib",
    "bazel-lib",
    "bazel-rules-pkg",
    "bazel-rules-shell",
    # What makes it run here: relocation, CAs, default registries of pip and npm.
    "ca-certificates",
    "node-registry-url",
    "patchelf",
    "python3-pip",
)

# Dependencies that Bazel as it is started here never opens; they would triple
# the download. A name that is left out is not followed further.
EXCLUDED = re.compile(
    # compilers, JDK and headers
    r"build-essential|default-jdk-headless|zlib1g-dev|gcc-[0-9]+-base"
    # programs that maintainer scripts and Debian's own tests run
    r"|bats.*|debconf|node-.*|nodejs|openssl.*|procps|protobuf-compiler.*|python3.*"
    r"|rust-coreutils|unzip|util-linux|zstd"
    # documentation
    r"|bazel-stardoc|libjs-.*"
    # what the JRE needs for smart cards, pictures and Debian's configuration
    r"|ca-certificates-java|java-common|libjpeg.*|liblcms2-2|libnss3|libpcsclite1"
    # what libraries need for parts of them that Bazel does not use
    r"|libc-gconv-modules-extra|libre2-[0-9]+|libssl3.*|libsystemd0|libzstd.*"
    r"|lib(apache-pom|asm|atinject|bcprov|cdi|commons-(cli|codec|collections3|lang3|logging|parent)"
    r"|eclipse|escapevelocity|geronimo|google-oauth|guice|httpc|jackson|jacoco|jarjar|jaxb|jctools"
    r"|jetty|jformatstring|jgit|jsch|jspecify|junixsocket|log4j|maven|mongo|opencensus|plexus"
    r"|servlet|sisu|slf4j).*"
)


def resolve_packages(
    mirrors: Sequence[str], verifier: archive.Verifier, say: Callable[[str, bool], None]
) -> list[dict[str, Any]]:
    """The lock entries of the newest packages that make Bazel, by name."""
    channels = [archive.Channel(SUITE, ("main",))]
    packages = archive.load_first(mirrors, channels, verifier, lambda line: say(line, True))
    index = resolve.Index(packages)
    excluded = [name for name in index.packages if EXCLUDED.fullmatch(name) and name not in WANTED]
    return [package.lock_entry() for package in resolve.resolve(index, WANTED, excluded).values()]


def resolve_again(
    locked: list[dict[str, Any]],
    site: Site,
    verifier: archive.Verifier,
    say: Callable[[str, bool], None],
    with_bazel: bool,
) -> list[dict[str, Any]]:
    """Newer packages in place of the locked ones; Bazel's major version stays, if it is used."""
    try:
        packages = resolve_packages(site.debian_mirrors, verifier, say)
    except archive.ArchiveError as error:
        raise Problem(
            f"the locked packages of Bazel are not on the mirror, and newer ones cannot be resolved"
            f" from its index of Debian {SUITE}: {error}"
        ) from error
    old, new = ({p["name"]: p["version"] for p in side} for side in (locked, packages))
    wanted, has = (side["bazel-bootstrap"].partition("+")[0] for side in (old, new))
    if with_bazel and wanted.split(".")[0] != has.split(".")[0]:
        raise Problem(
            f"the mirror ({without_credentials(site.debian_mirrors[0])}) no longer has Bazel"
            f" {wanted}; it has {has}, which this project was not made for. Name a mirror that"
            " still has it, `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw info`, or let bazelisk"
            " download the release: `USE_BAZEL_VERSION=$(cat .bazelversion) ./bazelw info`."
        )
    differing = [
        f"{name} {old.get(name, '(none)')} -> {new.get(name, '(none)')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    say(
        f"{len(differing)} packages differ from the lock: {', '.join(differing[:5])}{more}."
        " `./bazelw run //:lock` takes them into the lock",
        False,
    )
    return packages


def host_verifier() -> archive.Verifier | None:
    """gpgv and Debian's keys as this machine has them; None where it lacks one."""
    gpgv = shutil.which("gpgv", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")
    usual = [f"/usr/share/keyrings/debian-archive-keyring.{kind}" for kind in ("gpg", "pgp")]
    keyrings = [os.environ.get("DEBIAN_KEYRING", ""), *usual]
    keyring = next((path for path in keyrings if Path(path).is_file()), None)
    return archive.Verifier(gpgv, keyring) if gpgv and keyring else None
