"""Writes the files by which Bazel starts on this site: bazelrc, CAs, wrapper."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import struct
import tempfile
import urllib.parse
from pathlib import Path

from bazel.launcher import contents
from bazel.site.fetch import basic
from bazel.site.messages import Problem, Say
from bazel.site.settings import Site, without_credentials

# The hosts that --credential_helper takes: no IPv6, no underscore, no port.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def write(folder: Path, prefix: Path, site: Site, say: Say, with_bazel: bool) -> None:
    """Makes `folder`, unless it is there and whole, with a bazelrc and, for the
    installed Bazel, the program `bazel` that bazelisk runs."""
    with contents.exclusive(prefix.parent, say):
        if contents.damaged(folder):
            contents.put_away(folder, prefix / f"new-{folder.name}", say)
            _write(folder, prefix, site, with_bazel)


def _write(folder: Path, prefix: Path, site: Site, with_bazel: bool) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    temporary.chmod(0o755)
    assert site.ca_bundle
    # For programs of repository rules: Bazel gives them neither logins nor CAs.
    mine = {"PADDLE_IMAGES_SITE": folder, "SSL_CERT_FILE": site.ca_bundle}
    lines = _site_lines(site) + _credential_lines(site, temporary, folder)
    lines += [_line("common", f"--repo_env={name}={value}") for name, value in mine.items()]
    pem = site.ca_bundle.read_text(encoding="ascii", errors="replace")
    (temporary / "trust.jks").write_bytes(trust_store(pem, site.ca_bundle))
    trust = f"-Djavax.net.ssl.trustStore={folder / 'trust.jks'}"
    lines.append(_line("startup", f"--host_jvm_args={trust}"))
    if with_bazel:
        lines += _bazel_lines(prefix)
        program, named = shlex.quote(f"{prefix}/usr/bin/bazel"), shlex.quote(f"{folder}/bazelrc")
        script = temporary / "bazel"
        script.write_text(f'#!/bin/sh\nexec {program} --nosystem_rc --bazelrc={named} "$@"\n')
        script.chmod(0o755)
    rc = temporary / "bazelrc"
    rc.touch(0o600 if "@" in "".join(site.proxies().values()) else 0o644)  # a proxy's login
    rc.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
    contents.record(temporary)
    temporary.rename(folder)


def _site_lines(site: Site) -> list[str]:
    values = {
        "DEBIAN_MIRROR": " ".join(map(without_credentials, site.debian_mirrors)),
        "DEBIAN_SECURITY_MIRROR": " ".join(map(without_credentials, site.debian_security_mirrors)),
        "PYPI_INDEX": without_credentials(site.pypi_index or ""),
        "NPM_REGISTRY": without_credentials(site.npm_registry or ""),
        **site.proxies(),
    }
    return [_line("common", f"--repo_env={name}={value}") for name, value in values.items()]


def _credential_lines(site: Site, temporary: Path, folder: Path) -> list[str]:
    """Bazel ignores credentials in URLs and a netrc; helpers hand them over, one a host."""
    hosts: dict[str, list[tuple[str, str]]] = {}
    for host, start, user, password in site.logins():
        if "/" in host:  # a netrc that names a URL
            continue
        answer = json.dumps({"headers": {"Authorization": [basic(user, password)]}})
        # Bazel asks for one URL, as one line of JSON.
        pattern = "*" + shlex.quote(f'"uri":"{start}') + "*" if start else "*"
        hosts.setdefault(host, []).append((pattern, answer))
    lines = []
    for host, cases in hosts.items():
        helper = f"credentials-{host}"
        (temporary / helper).touch(0o700)
        text = "".join(f"{pattern}) echo {shlex.quote(answer)} ;;\n" for pattern, answer in cases)
        (temporary / helper).write_text(
            f"#!/bin/sh\nread -r request\ncase $request in\n{text}*) echo '{{}}' ;;\nesac\n"
        )
        if _HOST.fullmatch(host):  # programs of repository rules take the others by their file
            lines.append(_line("common", f"--credential_helper={host}={folder / helper}"))
    return lines


def _bazel_lines(prefix: Path) -> list[str]:
    home = prefix / "usr/share/bazel"
    startup = [
        f"--install_base={home}",
        "--trust_install_base",
        f"--server_javabase={prefix}/java",
    ]
    common = [f"--registry=file://{urllib.parse.quote(str(prefix / 'registry'))}"]
    common.append("--lockfile_mode=off")  # this build writes an empty one, and cannot read others
    if Path("/tmp") in prefix.parents:
        # The sandbox has a /tmp of its own, where actions would miss Bazel's tools.
        common.append(f"--sandbox_add_mount_pair={prefix}")
    overrides = json.loads((prefix / "registry/overrides.json").read_text())
    common += [f"--override_module={name}={folder}" for name, folder in overrides.items()]
    return [_line("startup", o) for o in startup] + [_line("common", o) for o in common]


def _line(command: str, option: str) -> str:
    quoted = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'{command} "{quoted}"'


def trust_store(pem: str, origin: Path) -> bytes:
    """A Java key store (JKS, version 2) of a bundle's certificates; needs no Java."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    blocks = re.findall(r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----([^-]*)-----END", pem)
    try:
        certificates = sorted({base64.b64decode(block) for block in blocks})
    except ValueError:
        certificates = []
    if not certificates:
        raise Problem(
            f"the CA bundle {origin} holds no readable certificate. Name one that does:"
            " `SSL_CERT_FILE=/PATH/ca.pem ./bazelw info`."
        )
    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for i, der in enumerate(certificates):
        body += struct.pack(">I", 2) + text(f"ca{i}") + struct.pack(">Q", 0)  # trusted, no date
        body += text("X.509") + struct.pack(">I", len(der)) + der
    # The format's checksum under Java's customary password; it protects nothing.
    return body + hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()
