"""Tests of oci_push's command line, with a skopeo that says what it is told to."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from bazel.oci import layout, leftovers
from bazel.oci.private import transfer

HOST = "registry.example.com"
TO = HOST + "/team/name"

# What skopeo 1.9.3 says, and a part of what the user is told to do.
FAILURES = {
    "trying to reuse blob at destination: pinging container registry: Get "
    '"https://h/v2/": dial tcp: lookup h on 10.0.0.2:53: no such host': "No name server knows",
    'Get "http://h/v2/": dial tcp 127.0.0.1:1: connect: connection refused': "Nothing answers",
    "dial tcp 10.0.0.1:443: i/o timeout": "Nothing answers",
    'Get "https://h/v2/": http: server gave HTTP response to HTTPS client': "--insecure",
    'Get "https://h/v2/": x509: certificate signed by unknown authority': "--insecure",
    "checking whether a blob exists: unauthorized: authentication required": "docker login " + HOST,
    "writing blob: denied: requested access to the resource is denied": "skopeo login " + HOST,
    "uploading manifest v1 to h/name: denied": "No login is in ",
    "pinging registry: invalid status code from registry 404 (Not Found)": "Is a registry behind",
    "writing manifest: name unknown: repository name not known to registry": "made there first",
}


class PushTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        out = layout.Layout(self.root / "image")
        config = out.json(layout.OCI_CONFIG, {"os": "linux"})
        manifest = layout.dump({"schemaVersion": 2, "config": config, "layers": []})
        self.digest = layout.sha256(manifest)
        out.finish(out.blob(layout.OCI_MANIFEST, manifest))
        self.calls = self.root / "calls"
        # For a tag that is called `other` the registry has something else.
        blobs = self.root / "image" / "blobs" / "sha256"
        self.skopeo(
            f"""case "$*" in
  *inspect*:other) echo other ;;
  *inspect*--config*) cat {blobs}/{config["digest"][7:]} ;;
  *inspect*) cat {blobs}/{self.digest[7:]} ;;
esac"""
        )
        clean = {"HOME": str(self.root), "PATH": os.environ["PATH"]}
        environment = mock.patch.dict(os.environ, clean, clear=True)
        environment.start()
        self.addCleanup(environment.stop)

    def skopeo(self, script: str) -> None:
        program = self.root / "skopeo"
        program.write_text(
            f"""#!/bin/sh
echo "$*" >> {self.calls}
for word; do
  case $word in --*authfile=*) cat "${{word#*=}}" > {self.root}/logins ;; esac
done
{script}
"""
        )
        program.chmod(0o755)

    def fails_with(self, message: str) -> None:
        line = f"time=now level=fatal msg={json.dumps(message)}"
        (self.root / "line").write_text("some warning\n" + line + "\n")
        self.skopeo(f"cat {self.root}/line >&2; exit 1")

    def push(self, *args: str) -> tuple[int, str]:
        """Exit code and what was said on standard error."""
        self.calls.unlink(missing_ok=True)
        start = ["push", f"--layout={self.root}/image", f"--skopeo={self.root}/skopeo"]
        out, errors = io.StringIO(), (self.root / "errors").open("w+")
        with errors, contextlib.redirect_stderr(errors), contextlib.redirect_stdout(out):
            try:
                code = transfer.main([*start, *args])
            except SystemExit as error:
                code = int(error.code or 0)
            errors.seek(0)
            return code, errors.read()

    def sent(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def large_layer(self) -> None:
        """Another image, of more than a pipe holds."""
        out = layout.Layout(self.root / "large")
        config = out.json(layout.OCI_CONFIG, {"os": "linux"})
        layer = out.blob(layout.OCI_LAYER, bytes(1 << 20))
        manifest = {"schemaVersion": 2, "config": config, "layers": [layer]}
        out.finish(out.json(layout.OCI_MANIFEST, manifest))

    def logins(self) -> Any:
        """What the last skopeo was given."""
        return json.loads((self.root / "logins").read_text())["auths"]

    def test_words_are_refused_before_anything_is_sent(self) -> None:
        for args in (["--tag", "q1", "q2"], ["v1.2.3"], ["--", "v1"], ["-"], ["--repositry", "R"]):
            code, said = self.push("--repository", TO, *args)
            self.assertEqual((code, self.sent()), (2, []), args)
            self.assertIn("usage: oci_push", said)
            self.assertIn("unknown flags or words: ", said)

    def test_a_word_that_is_a_place_has_a_hint(self) -> None:
        for word, expected in (
            (TO, f"to push there: --repository {TO})"),
            (f"{TO}:v1", f"to push there: --repository {TO} --tag v1)"),
            (f"localhost:5000/a:v1@{self.digest}", "--repository localhost:5000/a --tag v1)"),
        ):
            code, said = self.push(word)
            self.assertEqual((code, self.sent()), (2, []), word)
            self.assertIn(f"unknown word: {word} (", said)
            self.assertIn(expected, said)

    def test_flags_of_skopeo(self) -> None:
        flags = ["--dest-cert-dir=/certs", "--retry-times=2"]
        code, said = self.push("-r", TO, *flags, "--verify")
        self.assertEqual(code, 0, said)
        copy, *checks = self.sent()  # which run at once
        inspect, config = sorted(checks, key=lambda call: "--config" in call)
        self.assertIn(" --dest-cert-dir=/certs ", copy)
        self.assertIn(" --retry-times=2 ", copy)
        self.assertIn(" --cert-dir=/certs ", inspect)
        self.assertNotIn("--retry-times", inspect + config)
        self.fails_with("unknown flag: --repositry")
        code, said = self.push("--repository", TO, "--repositry=R")
        self.assertEqual(code, 2)
        self.assertTrue(said.endswith("oci_push: error: unknown flag: --repositry\n"), said)

    def test_a_login_stands_in_no_command_line(self) -> None:
        for flags in (
            ["--dest-creds=user:secret"],
            ["--dest-username=user", "--dest-password=secret"],
        ):
            code, said = self.push("-r", TO, *flags, "--verify")
            self.assertEqual(code, 0, said)
            self.assertEqual(self.logins(), {HOST: {"auth": "dXNlcjpzZWNyZXQ="}})
            self.assertEqual(len(self.sent()), 3)
            for call in self.sent():
                self.assertNotIn("secret", call)
                self.assertIn("authfile=/proc/self/fd/", call)

    def test_every_tag_is_verified(self) -> None:
        self.assertEqual(self.push("-r", TO, "-t", "a", "-t", "b", "--verify")[0], 0)
        asked = [call.rpartition("docker://" + TO)[2] for call in self.sent() if "inspect" in call]
        self.assertEqual(sorted(asked), [":a", ":b", "@" + self.digest, "@" + self.digest])
        code, said = self.push("-r", TO, "-t", "other", "--verify")
        self.assertEqual(code, 1)
        self.assertIn(f"ERROR: {TO}:other is not what was pushed", said)

    def test_references_are_checked_before_anything_is_sent(self) -> None:
        long_tag = "a" * 129
        for args, expected in (
            (["--repository", ""], "--repository is empty"),
            (["--repository="], "--repository is empty"),
            (["-r", "https://h.example/a"], "write h.example/a"),
            (["-r", "http://h.example/a"], "write h.example/a, and add --insecure"),
            (["-r", "localhost:5000"], "must begin with a registry"),
            (["-r", "name:tag"], "must begin with a registry"),
            (["-r", "team/name"], "must begin with a registry"),
            (["-r", TO + ":tag"], "must have no tag and no digest"),
            (["-r", TO + "@sha256:00"], "must have no tag and no digest"),
            (["-r", HOST + "/Team/name"], "'Team/name' cannot be the name of a repository"),
            (["-r", HOST + "/a//b"], "cannot be the name of a repository"),
            (["-r", HOST + "/a b"], "cannot be the name of a repository"),
            (["-r", TO, "-t", ""], "'' cannot be a tag"),
            (["-r", TO, "--tag=-a"], "'-a' cannot be a tag"),
            (["-r", TO, "-t", "a/b"], "'a/b' cannot be a tag"),
            (["-r", TO, "-t", long_tag], "cannot be a tag"),
        ):
            code, said = self.push(*args)
            self.assertEqual((code, self.sent()), (1, []), args)
            self.assertIn(expected, said)

    def test_loopback_needs_no_certificate(self) -> None:
        for host in ("localhost", "localhost:5000", "127.0.0.2:5000", "[::1]:5000", "127.0.0.1"):
            self.assertEqual(self.push("-r", host + "/x/y", "--verify")[0], 0, host)
            copy, inspect, _ = self.sent()
            self.assertIn("--dest-tls-verify=false", copy, host)
            self.assertIn(" --tls-verify=false", inspect, host)
        for host in ("localhost.example.com", "128.0.0.1:5000"):
            self.assertEqual(self.push("-r", host + "/x/y")[0], 0, host)
            self.assertNotIn("tls-verify", self.sent()[0], host)

    def test_failures_have_a_cure(self) -> None:
        for message, expected in FAILURES.items():
            self.fails_with(message)
            code, said = self.push("-r", TO)
            self.assertEqual(code, 1)
            first, second = said.splitlines()
            self.assertEqual(first, f"ERROR: the push to {TO} failed: {message}")
            self.assertIn(expected, second)

    def test_what_a_registry_does_not_take_has_an_exit_code(self) -> None:
        for message in (
            "uploading manifest sha256:12 to h/name: manifest invalid: unknown config",
            "copying image 1/3: uploading manifest v1 to h/name: StatusCode: 415, <html>",
        ):
            self.fails_with(message)
            self.assertEqual(self.push("-r", TO)[0], 3, message)
        for message in (
            "uploading manifest sha256:12 to h/name: denied",
            "uploading manifest sha256:12 to h/name: received unexpected HTTP status: 500",
            "writing blob: StatusCode: 400",
        ):
            self.fails_with(message)
            self.assertEqual(self.push("-r", TO)[0], 1, message)

    def test_a_login_that_is_refused(self) -> None:
        self.fails_with("unauthorized: authentication required")
        docker = self.root / ".docker" / "config.json"
        default = f"/run/containers/{os.getuid()}/auth.json"
        said = self.push("-r", TO)[1]
        self.assertIn(f"No login is in {default} or {self.root}/.config/containers/auth.json", said)
        self.assertIn(f" or {docker} for {HOST}: `docker login {HOST}`", said)
        docker.parent.mkdir()
        docker.write_text(json.dumps({"auths": {HOST: {"username": "u", "password": "p"}}}))
        self.assertIn(f"The login of {docker} was not enough", self.push("-r", TO)[1])
        docker.write_text(json.dumps({"credsStore": "absent"}))
        said = self.push("-r", TO)[1]
        self.assertIn(
            f"docker-credential-absent, which {docker} names, is not on your PATH: it was passed "
            f"over.\nNo login is in {default} or ",
            said,
        )
        said = self.push("-r", TO, "--dest-creds=u:p")[1]
        self.assertIn("The login of the flags was not enough", said)
        other = self.root / "other.json"
        code, said = self.push("-r", TO, f"--authfile={other}")
        self.assertEqual((code, self.sent()), (1, []))
        self.assertIn(f"ERROR: {other} cannot be read (No such file or directory): it is", said)

    def test_paths_are_the_users(self) -> None:
        there = self.root / "there"
        there.mkdir()
        (there / "auth.json").write_text(json.dumps({"auths": {HOST: {"auth": "dTpw"}}}))
        os.environ["BUILD_WORKING_DIRECTORY"] = str(there)
        flags = ["--digestfile=d", "--authfile", "auth.json", "--dest-cert-dir=certs"]
        code, said = self.push("-r", TO, *flags)
        self.assertEqual(code, 0, said)
        self.assertEqual((there / "d").read_text(), self.digest + "\n")
        self.assertEqual(self.logins(), {HOST: {"auth": "dTpw"}})
        self.assertIn(f"--dest-cert-dir={there}/certs", self.sent()[0])

    def test_nothing_is_left_running(self) -> None:
        """Whatever ends a push or a load, what it started is ended and waited for."""
        leftovers.adopt()
        self.skopeo("exec sleep 1000")
        (self.root / "tags").write_text("")
        env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        layout = f"--layout={self.root}/image"
        skopeo = f"--skopeo={self.root}/skopeo"
        push = ["push", layout, skopeo, "-r", TO]
        self.large_layer()
        load = [
            "load",
            f"--layout={self.root}/large",
            f"--repo-tags={self.root}/tags",
            f"--loader={self.root}/skopeo",
        ]
        for command in (push, load):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
                with self.subTest(command=command[0], number=number):
                    self.calls.unlink(missing_ok=True)
                    words = [sys.executable, transfer.__file__, *command]
                    process = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL)
                    while not self.calls.exists():
                        self.assertIsNone(process.poll())
                        time.sleep(0.01)
                    process.send_signal(number)
                    ended = -number if number == signal.SIGKILL else 128 + number
                    self.assertEqual(process.wait(), ended)
                    left = leftovers.left()
                    self.assertEqual(leftovers.still_running(), [])
                    self.assertEqual([] if number != signal.SIGKILL else left, left)


if __name__ == "__main__":
    unittest.main()
