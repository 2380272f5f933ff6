"""Runs skopeo with the user's login, and knows what its failures mean."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bazel.oci import logins
from bazel.oci.processes import running, user_path

# The exit code of a push whose manifest the registry does not take.
REFUSED = 3
LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
# Flags of a copy about access to the destination.
_ACCESS = re.compile(
    r"--dest-(authfile|cert-dir|creds|no-creds|password|registry-token|tls-verify|username)(=|$)"
)
# What a registry answers for a manifest or a repository that it does not have, as skopeo tells it:
# codes of the distribution specification, a 404 without any, and Harbor's own code, NOT_FOUND.
_MISSING = re.compile(
    r"reading manifest \S+ in \S+: "
    r"(manifest unknown|name unknown|StatusCode: 404\b|unknown: (artifact|repository) .*not found)",
    re.IGNORECASE,
)
# What it answers to a manifest of a kind that it does not take: by codes of the specification, or
# without any.
_REFUSED = re.compile(
    r"uploading manifest \S+ to \S+: "
    r"(manifest invalid|unsupported|tag invalid|StatusCode: 4(00|04|05|06|15)\b)",
    re.IGNORECASE,
)
_NO_ACCESS = "unauthori[sz]ed|authentication required|denied(: |$)|access .*denied|forbidden"
_CURES = (
    (
        "HTTP response to HTTPS client|does not look like a TLS handshake",
        "{host} speaks plain HTTP: --insecure accepts that.",
    ),
    ("x509:", "If you trust {host} all the same, --insecure accepts any certificate."),
    ("dial tcp: lookup ", "No name server knows {host}: is its name spelt right?"),
    (
        "connection refused|connection reset|timeout|deadline exceeded|unreachable|no route",
        "Nothing answers at {host}: are host and port right, does it run, "
        "and is a proxy needed or in the way ($HTTPS_PROXY, $NO_PROXY)?",
    ),
    (
        r"404 \(?not found|StatusCode: 404\b|name unknown|repository .*not found",
        "Is a registry behind {host}, and must the repository be made there first?",
    ),
)


class SkopeoError(Exception):
    """What skopeo says of a failure; it may be about its command line."""


class MissingError(SkopeoError):
    """The registry answers, and does not have it."""


class RefusedError(SkopeoError):
    """The registry answers, and does not take such a manifest."""


def complaint(words: Sequence[str]) -> str:
    """What is wrong with words that are to be flags of skopeo, or nothing.

    A word without a dash would be an image to it, and what it does with three is nothing, with
    success.
    """
    if all(re.match("--?[^-]", word) for word in words):
        return ""
    for word in words:
        if name := re.fullmatch(r"([^-@/][^@/]*/[^@]+?)(:[\w.-]+)?(@.*)?", word):
            tag = f" --tag {name[2][1:]}" if name[2] else ""
            return f"unknown word: {word} (to push there: --repository {name[1]}{tag})"
    return f"unknown flags or words: {' '.join(words)} (a flag of skopeo's own: --FLAG=VALUE)"


def split_access(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of a copy's flags that are about access to its destination, bare, and the others."""
    access = [flag.removeprefix("--dest-") for flag in flags if _ACCESS.match(flag)]
    return access, [flag for flag in flags if not _ACCESS.match(flag)]


def fatal(errors: str) -> str:
    """The message of skopeo's last line, without what its log puts around it."""
    found = re.findall(r'level=fatal msg=("(?:[^"\\]|\\.)*"|\S+)', errors)
    if not found:
        return errors.strip()
    try:
        return str(json.loads(found[-1]))
    except ValueError:  # it escapes more than JSON does
        return str(found[-1]).strip('"')


def failure(errors: str) -> SkopeoError:
    """What a skopeo failed of, by what it printed."""
    text = fatal(errors) or "skopeo says why above"
    for pattern, kind in ((_MISSING, MissingError), (_REFUSED, RefusedError)):
        if pattern.search(text):
            return kind(text)
    return SkopeoError(text)


def finish(process: subprocess.Popen[bytes]) -> bytes:
    """What a skopeo printed, at its end."""
    data, errors = process.communicate()
    if process.returncode:
        raise failure((errors or b"").decode(errors="replace"))
    return data or b""


class Skopeo:
    """skopeo about one repository."""

    def __init__(
        self,
        program: Path,
        repository: str,
        *,
        authfile: Path | None = None,
        insecure: bool = False,
        given: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        """Looks for the user's login there.

        Args:
            program: skopeo.
            repository: HOST/NAME.
            authfile: a file of logins, instead of the user's own.
            insecure: whether HTTP and any certificate will do; it will on loopback.
            given: flags of skopeo about access, as NAME=VALUE; a login in them is the one.
            options: flags of skopeo about everything.
        """
        self.host = repository.partition("/")[0]
        self._command = [str(program), "--insecure-policy", *options]
        words = dict(flag.partition("=")[::2] for flag in given)
        user, _, secret = words.pop("creds", "").partition(":")
        user, secret = words.pop("username", user), words.pop("password", secret)
        if secret and not user:
            raise logins.LoginError(
                "a password is given without a user: --dest-username=USER names one"
            )
        authfile = Path(words.pop("authfile")) if "authfile" in words else authfile
        if user:
            self._login = logins.Login(logins.of_words(user, secret), "the flags")
        elif {"no-creds", "registry-token"} & words.keys():
            self._login = logins.Login(source="the flags")
        else:
            self._login = logins.find(repository, authfile)
            if (self._login.troubles or self._login.chosen) and not self._login.entry:
                # Else it looks itself: it stops at the trouble, or takes a login not chosen.
                words["no-creds"] = ""
        if "cert-dir" in words:
            words["cert-dir"] = str(user_path(words["cert-dir"]))
        if insecure or LOOPBACK.fullmatch(self.host):
            words.setdefault("tls-verify", "false")
        self._access = [f"{name}={value}" if value else name for name, value in words.items()]

    @contextmanager
    def running(
        self, command: Sequence[str], *places: str, side: str = "", **options: object
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Runs a command for the time of a `with`.

        Args:
            command: copy or inspect, and flags of it.
            places: what it copies or inspects.
            side: which of them the repository is, "src-" or "dest-", where there are two.
            options: of the process.
        """
        with ExitStack() as stack:
            access = self._access
            if self._login.entry:
                # In memory: nothing is left behind, and nobody reads it in a command line.
                file = stack.enter_context(os.fdopen(os.memfd_create("auth.json"), "wb"))
                file.write(json.dumps({"auths": {self.host: self._login.entry}}).encode())
                file.flush()
                access = [*access, f"authfile=/proc/self/fd/{file.fileno()}"]
                options["pass_fds"] = (file.fileno(),)
            flags = [f"--{side}{flag}" for flag in access]
            words = [*self._command, *command[:1], *flags, *command[1:], *places]
            yield stack.enter_context(running(words, **options))

    def run(self, command: Sequence[str], *places: str, side: str = "", **options: object) -> bytes:
        """Runs a command to its end; gives what it printed."""
        pipes: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.running(command, *places, side=side, **(pipes | options)) as process:
            return finish(process)

    def cure(self, error: SkopeoError) -> str:
        """What mends a failure, or nothing where only the registry's people know."""
        message = str(error)
        if re.search(_NO_ACCESS, message, re.IGNORECASE):
            return self._cure_of_no_access()
        if isinstance(error, MissingError):
            return ""
        for pattern, text in _CURES:
            if re.search(pattern, message, re.IGNORECASE):
                return text.format(host=self.host)
        return ""

    def _cure_of_no_access(self) -> str:
        login = self._login
        said = [f"{trouble}: it was passed over." for trouble in login.troubles]
        if login.source:
            said.append(f"The login of {login.source} was not enough for {self.host}:")
        else:
            said.append(f"No login is in {' or '.join(map(str, login.places))} for {self.host}:")
        said[-1] += f" `docker login {self.host}` or `skopeo login {self.host}` makes one."
        return "\n".join(said)
