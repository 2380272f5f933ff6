"""Tests of oci_push's command line, with a skopeo that says what it is told to."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from oci.private import layout, push, transfer

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
    "pinging registry: invalid status code from registry 404 (Not Found)": "Is a registry behind",
    "writing manifest: name unknown: repository name not known to registry": "made there first",
}


class PushTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        out = layout.Layout(self.root / "image")
        config = out.add(layout.dump({"os": "linux"}), layout.OCI_CONFIG)
        manifest = layout.dump({"schemaVersion": 2, "config": config, "layers": []})
        self.digest = layout.sha256(manifest)
        out.close(out.add(manifest, layout.OCI_MANIFEST))
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
        program.write_text(f'#!/bin/sh\necho "$*" >> {self.calls}\n{script}\n')
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

    def test_words_are_refused_before_anything_is_sent(self) -> None:
        for args in (["--tag", "q1", "q2"], ["v1.2.3"], ["--", "v1"], ["-"], ["--repositry", "R"]):
            code, said = self.push("--repository", TO, *args)
            self.assertEqual((code, self.sent()), (2, []), args)
            self.assertIn("usage: oci_push", said)
            self.assertIn("unknown flags or words: ", said)

    def test_flags_of_skopeo(self) -> None:
        flags = ["--dest-creds=u:p", "--retry-times=2"]
        code, said = self.push("-r", TO, *flags, "--verify")
        self.assertEqual(code, 0, said)
        copy, *checks = self.sent()  # which run at once
        inspect, config = sorted(checks, key=lambda call: "--config" in call)
        self.assertIn(" --dest-creds=u:p --retry-times=2 ", copy)
        self.assertIn(" --creds=u:p ", inspect)
        self.assertNotIn("--retry-times", inspect + config)
        self.fails_with("unknown flag: --repositry")
        code, said = self.push("--repository", TO, "--repositry=R")
        self.assertEqual(code, 2)
        self.assertTrue(said.endswith("oci_push: error: unknown flag: --repositry\n"), said)

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

    def test_a_login_that_is_refused(self) -> None:
        self.fails_with("unauthorized: authentication required")
        docker = self.root / ".docker" / "config.json"
        default = f"/run/containers/{os.getuid()}/auth.json"
        self.assertIn(f"No login is in {default} or {docker} for", self.push("-r", TO)[1])
        docker.parent.mkdir()
        docker.write_text(json.dumps({"auths": {HOST: {}}}))
        self.assertIn(f"The login in {docker} was not enough", self.push("-r", TO)[1])
        other = self.root / "other.json"
        self.assertIn(f"No login is in {other} for", self.push("-r", TO, f"--authfile={other}")[1])

    def test_paths_are_the_users(self) -> None:
        (self.root / "there").mkdir()
        os.environ["BUILD_WORKING_DIRECTORY"] = str(self.root / "there")
        code, said = self.push("-r", TO, "--digestfile=d", "--authfile", "auth.json")
        self.assertEqual(code, 0, said)
        self.assertEqual((self.root / "there" / "d").read_text(), self.digest + "\n")
        self.assertIn(f"--dest-authfile={self.root}/there/auth.json", self.sent()[0])
        os.environ["DOCKER_CONFIG"] = "."
        (self.root / "there" / "config.json").write_text("{}")
        self.assertEqual(push.login_files(None), [self.root / "there" / "config.json"])


if __name__ == "__main__":
    unittest.main()
