"""Tests of where logins are found, with helpers as docker has them."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from bazel.oci import logins

HOST = "registry.example.com"
TO = HOST + "/team/name"


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


class LoginsTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.docker = self.root / ".docker" / "config.json"
        (self.root / "run").mkdir()
        clean = {
            "HOME": str(self.root),
            "PATH": f"{self.root}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(self.root / "run"),
        }
        environment = mock.patch.dict(os.environ, clean, clear=True)
        environment.start()
        self.addCleanup(environment.stop)

    def write(self, file: Path, config: Any) -> None:
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(json.dumps(config))

    def helper(self, name: str, answers: dict[str, tuple[str, str]]) -> None:
        """A docker-credential-NAME that knows user and secret of some servers."""
        cases = "".join(
            f"""{server}) echo '{json.dumps({"Username": user, "Secret": secret})}' ;;\n"""
            for server, (user, secret) in answers.items()
        )
        program = self.root / f"docker-credential-{name}"
        program.write_text(
            f"""#!/bin/sh
[ "$1" = get ] || exit 9
case $(cat) in
{cases}*) echo credentials not found in native keychain; exit 1 ;;
esac
"""
        )
        program.chmod(0o755)

    def found(self, config: Any, repository: str = TO) -> Any:
        self.write(self.docker, config)
        return logins.find(repository).entry

    def test_every_form_of_an_entry(self) -> None:
        for entry, expected in (
            (auth("u:p:q"), auth("u:p:q")),
            ({"username": "u", "password": "p"}, auth("u:p")),
            (auth("u:p") | {"identitytoken": "t"}, auth("<token>:") | {"identitytoken": "t"}),
            ({"identitytoken": "t"}, auth("<token>:") | {"identitytoken": "t"}),
            ({"email": "u@example.com"}, {}),
            ({}, {}),
        ):
            self.assertEqual(self.found({"auths": {HOST: entry}}), expected, entry)

    def test_every_form_of_a_key(self) -> None:
        for key in (
            HOST,
            f"https://{HOST}",
            f"https://{HOST}/v1/",
            f"http://{HOST}/v2/",
            TO,
            f"{HOST}/team",
            f"{HOST}/",
        ):
            self.assertEqual(self.found({"auths": {key: auth("u:p")}}), auth("u:p"), key)
        for key in ("example.com", f"{HOST}:5000", f"{HOST}/other", f"{HOST}/tea", f"{TO}/more"):
            self.assertEqual(self.found({"auths": {key: auth("u:p")}}), {}, key)
        near = {HOST: auth("far:p"), f"{HOST}/team": auth("near:p")}
        self.assertEqual(self.found({"auths": near}), auth("near:p"))
        hub = {"auths": {"https://index.docker.io/v1/": auth("u:p")}}
        self.assertEqual(self.found(hub, "docker.io/team/name"), auth("u:p"))

    def test_helpers(self) -> None:
        self.helper(
            "store",
            {
                HOST: ("u", "of the store"),
                "https://h/v1/": ("u", "by URL"),
                "https://index.docker.io/v1/": ("<token>", "hub"),
            },
        )
        self.helper("own", {HOST: ("u", "of its own")})
        store = {"auths": {HOST: {}}, "credsStore": "store"}
        self.assertEqual(self.found(store), auth("u:of the store"))
        self.assertEqual(self.found({"credsStore": "store"}), auth("u:of the store"))
        own = store | {"credHelpers": {HOST: "own"}}
        self.assertEqual(self.found(own), auth("u:of its own"))
        self.assertEqual(self.found(own, "other.example.com/name"), {})
        url = {"auths": {"https://h/v1/": {}}, "credsStore": "store"}
        self.assertEqual(self.found(url, "h/name"), auth("u:by URL"))
        token = auth("<token>:") | {"identitytoken": "hub"}
        self.assertEqual(self.found({"credsStore": "store"}, "docker.io/a/b"), token)
        written = {"auths": {"h": auth("u:p")}, "credsStore": "store"}
        self.assertEqual(self.found(written, "h/name"), auth("u:p"))

    def test_the_first_file_with_a_login_counts(self) -> None:
        files = [
            self.root / "run" / "containers" / "auth.json",
            self.root / ".config" / "containers" / "auth.json",
            self.docker,
        ]
        self.assertEqual(logins.files(), files)
        for file in reversed(files):
            self.write(file, {"auths": {HOST: auth(f"u:{file}")}})
            login = logins.find(TO)
            self.assertEqual((login.entry, login.source), (auth(f"u:{file}"), str(file)))
        self.write(files[0], {"auths": {"other.example.com": auth("u:p")}})
        self.assertEqual(logins.find(TO).source, str(files[1]))
        os.environ["DOCKER_CONFIG"] = str(self.root / "chosen")
        self.assertEqual(logins.files(), files)  # there is none
        self.assertFalse(logins.find(TO).chosen)
        self.write(self.root / "chosen" / "config.json", {})
        self.assertEqual(logins.files(), [self.root / "chosen" / "config.json"])
        self.assertTrue(logins.find(TO).chosen)
        os.environ["REGISTRY_AUTH_FILE"] = str(files[2])
        self.assertEqual(logins.find(TO).source, str(files[2]))
        self.assertEqual(logins.files(files[1]), [files[1]])

    def test_what_cannot_be_read_is_passed_over(self) -> None:
        first, second = self.root / "run" / "containers" / "auth.json", self.docker
        self.write(second, {"auths": {HOST: auth("u:p")}})
        first.mkdir(parents=True)  # nobody reads that, root neither
        login = logins.find(TO)
        self.assertEqual((login.entry, login.source), (auth("u:p"), str(second)))
        self.assertEqual(login.troubles, [f"{first} cannot be read (Is a directory)"])
        first.rmdir()
        odd: list[Any] = [[], {"auths": []}, {"auths": {HOST: []}}, {"credHelpers": {HOST: 1}}]
        for config in odd:
            self.write(first, config)
            login = logins.find(TO)
            self.assertEqual(login.entry, auth("u:p"), config)
        for value in ("no base64", "bm8gY29sb24=", "/w=="):
            self.write(first, {"auths": {HOST: {"auth": value}}})
            login = logins.find(TO)
            self.assertEqual(login.entry, auth("u:p"))
            self.assertEqual(login.troubles, [f"the login for {HOST} in {first} is damaged"])
        first.write_text("no JSON")
        self.assertEqual(logins.find(TO).troubles, [f"{first} is no file of logins"])

    def test_a_helper_that_fails_is_passed_over(self) -> None:
        program = self.root / "docker-credential-odd"
        told = f"docker-credential-odd, which {self.docker} names"
        for script, expected in (
            ("echo the keychain is locked >&2; exit 1", f"{told}: the keychain is locked"),
            ("exit 7", f"{told}: exit code 7"),
            ("echo hello", f"{told}: Expecting value: line 1 column 1 (char 0)"),
        ):
            program.write_text("#!/bin/sh\n" + script)
            program.chmod(0o755)
            self.write(self.docker, {"auths": {HOST: auth("u:p")}, "credsStore": "odd"})
            login = logins.find(TO)
            self.assertEqual((login.entry, login.troubles), (auth("u:p"), [expected]))
        program.unlink()
        self.assertEqual(logins.find(TO).troubles, [f"{told}, is not on your PATH"])

    def test_a_chosen_file_must_be_there(self) -> None:
        for file in (self.root / "absent", self.root):
            with self.assertRaisesRegex(logins.LoginError, "it is to hold the logins"):
                logins.find(TO, file)
            with (
                mock.patch.dict(os.environ, {"REGISTRY_AUTH_FILE": str(file)}),
                self.assertRaisesRegex(logins.LoginError, f"{file} cannot be read"),
            ):
                logins.find(TO)


if __name__ == "__main__":
    unittest.main()
