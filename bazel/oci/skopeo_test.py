"""Tests of what is read out of skopeo's messages."""

from __future__ import annotations

import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bazel.oci import logins, skopeo

TAG = "sha256-" + "404" * 21 + "0.sig"
PLACE = f"reading manifest {TAG} in registry.example.com:40404/team/404: "
MISSING = (
    f'Error parsing image name "docker://registry.example.com:40404/team/404:{TAG}": {PLACE}',
    f"initializing source docker://registry.example.com:40404/team/404:{TAG}: {PLACE}",
)
ANSWERS = {
    "manifest unknown": True,
    "manifest unknown: manifest unknown": True,
    "name unknown: repository name not known to registry": True,
    "unknown: artifact team/404:v1 not found": True,
    "StatusCode: 404, <html>": True,
    "StatusCode: 403, 404 not found": False,
    "unauthorized: authentication required": False,
    "denied: requested access to the resource is denied": False,
    "toomanyrequests: slow down": False,
    "unknown: 404": False,
    "received unexpected HTTP status: 500 Internal Server Error": False,
    "received unexpected HTTP status: 503 manifest unknown": False,
}
# What has no answer about a manifest.
OTHERS = (
    "pinging container registry registry.example.com:40404: invalid status code from registry 404 "
    "(Not Found)",
    'Get "https://registry.example.com:40404/v2/": dial tcp 10.0.0.1:40404: i/o timeout',
    'Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host',
    'error getting credentials - err: exec: "docker-credential-x": executable file not found in '
    "$PATH, out: ``",
    "reading blob sha256:404: fetching blob: blob unknown to registry",
)


class SkopeoTest(unittest.TestCase):
    def test_missing_is_what_the_registry_says_by_a_code(self) -> None:
        for start in MISSING:
            for answer, missing in ANSWERS.items():
                line = f'time="now" level=fatal msg={json.dumps(start + answer)}'
                kind = skopeo.MissingError if missing else skopeo.SkopeoError
                self.assertIs(type(skopeo.failure(line)), kind, answer)
        for message in OTHERS:
            self.assertIs(type(skopeo.failure(message)), skopeo.SkopeoError, message)

    def test_where_a_file_is_chosen_no_other_login_is_taken(self) -> None:
        """skopeo's own search would find one."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "config.json")
            file.write_text('{"auths": {}}')
            home = {"HOME": folder, "XDG_RUNTIME_DIR": folder}
            for authfile, chosen in (
                (file, {}),
                (None, {"REGISTRY_AUTH_FILE": str(file)}),
                (None, {"DOCKER_CONFIG": folder}),
            ):
                with mock.patch.dict(os.environ, home | chosen, clear=True):
                    words = skopeo.Skopeo(Path("/bin/echo"), "r.test/name", authfile=authfile)
                    self.assertIn(b" inspect --no-creds ", words.run(["inspect"], "there"))
            with mock.patch.dict(os.environ, home, clear=True):
                words = skopeo.Skopeo(Path("/bin/echo"), "r.test/name")
                self.assertNotIn(b"creds", words.run(["inspect"], "there"))

    def test_a_password_without_a_user_is_refused(self) -> None:
        for given in ("password=word", "creds=:word"):
            with self.assertRaisesRegex(logins.LoginError, "--dest-username=USER"):
                skopeo.Skopeo(Path("/bin/echo"), "r.test/name", given=[given])


if __name__ == "__main__":
    unittest.main()
