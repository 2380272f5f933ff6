"""Tests of what writes images, through its command line."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from bazel.oci import layout
from bazel.oci.private import image


class LayoutTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.errors = io.StringIO()

    def run_tool(self, *args: object) -> int:
        return image.main([str(arg) for arg in args], self.errors)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def layer(self, name: str, content: bytes) -> list[object]:
        path, out = self.file(name, content), self.root / (name + ".json")
        self.assertEqual(self.run_tool("descriptor", path, out), 0, self.errors.getvalue())
        return ["--layer", path, out]

    def image(self, name: str, *args: object, base: str = "") -> tuple[Any, Any]:
        """Writes an image; gives its manifest and its config."""
        start = ["--base", self.root / base] if base else ["--os=linux", "--architecture=amd64"]
        out = self.root / name
        common = ["--out", out, "--digest-file", self.root / (name + ".digest")]
        self.assertEqual(self.run_tool("image", *common, *start, *args), 0, self.errors.getvalue())
        manifest = layout.read_blob(out, layout.read_manifest_descriptor(out)["digest"])
        return manifest, layout.read_blob(out, manifest["config"]["digest"])

    def test_descriptor_of_each_compression(self) -> None:
        tar = b"tar" * 1000
        for name, data, kind in (("a", tar, ""), ("b", gzip.compress(tar, mtime=0), "gzip")):
            described = json.loads(Path(str(self.layer(name, data)[2])).read_text())
            self.assertEqual(described["compression"], kind)
            self.assertEqual(described["diff_id"], layout.sha256(tar))
            self.assertEqual(described["digest"], layout.sha256(data))
            self.assertEqual(described["size"], len(data))

    def test_gzip_of_two_members(self) -> None:
        data = gzip.compress(b"one") + gzip.compress(b"two")
        described = json.loads(Path(str(self.layer("a", data)[2])).read_text())
        self.assertEqual(described["diff_id"], layout.sha256(b"onetwo"))

    def test_damaged_gzip(self) -> None:
        whole = gzip.compress(b"x" * 100_000)
        for data in (whole[:-9], whole[:20] + b"????" + whole[24:]):
            self.assertEqual(self.run_tool("descriptor", self.file("a", data), self.root / "b"), 1)
        self.assertIn("damaged gzip", self.errors.getvalue())

    def test_zstd_without_a_program(self) -> None:
        layer = self.file("a.tar.zst", b"\x28\xb5\x2f\xfd....")
        self.assertEqual(self.run_tool("descriptor", layer, self.root / "b"), 1)
        self.assertIn("oci_toolchain", self.errors.getvalue())

    def test_image_from_scratch(self) -> None:
        layers = [*self.layer("a", b"a"), *self.layer("b", gzip.compress(b"b", mtime=0))]
        manifest, config = self.image(
            "image",
            *layers,
            *self.layer("a", b"a"),  # twice the same layer is allowed
            *("--history", "first"),
            *("--user", "65532", "--workdir", "/app", "--stop-signal", "SIGTERM"),
            *("--cmd", self.file("cmd", "serve\ntwo%5Cnlines\n")),
            *("--entrypoint", self.file("entrypoint", "/app/bin/server\n")),
            *("--exposed-ports", self.file("ports", "8080,9090/udp")),
            *("--volumes", self.file("volumes", "/a,/b\n")),
            *("--labels", self.file("labels", "a=b=c\n")),
            *("--annotations", self.file("annotations", "k=v\n")),
            *("--healthcheck", self.file("health", '{"Test":["NONE"]}')),
        )
        kinds = [layer["mediaType"] for layer in manifest["layers"]]
        tar = "application/vnd.oci.image.layer.v1.tar"
        self.assertEqual(kinds, [tar, tar + "+gzip", tar])
        self.assertEqual(manifest["annotations"], {"k": "v"})
        self.assertEqual(config["created"], "1970-01-01T00:00:00Z")
        self.assertEqual(
            [h["created_by"] for h in config["history"]], ["first"] + ["oci_image"] * 2
        )
        diff_ids = [layout.sha256(data) for data in (b"a", b"b", b"a")]
        self.assertEqual(config["rootfs"]["diff_ids"], diff_ids)
        expected = {
            "Entrypoint": ["/app/bin/server"],
            "Cmd": ["serve", "two\nlines"],
            "Labels": {"a": "b=c"},
            "ExposedPorts": {"8080": {}, "9090/udp": {}},
            "Volumes": {"/a": {}, "/b": {}},
            "User": "65532",
            "WorkingDir": "/app",
            "StopSignal": "SIGTERM",
            "Healthcheck": {"Test": ["NONE"]},
        }
        self.assertEqual(config["config"], expected)
        index = json.loads((self.root / "image" / "index.json").read_text())
        self.assertEqual(index["schemaVersion"], 2)
        digest = (self.root / "image.digest").read_text().strip()
        self.assertEqual(index["manifests"][0]["digest"], digest)
        for blob in (self.root / "image" / "blobs" / "sha256").iterdir():
            self.assertEqual(hashlib.sha256(blob.read_bytes()).hexdigest(), blob.name)

    def test_texts_of_json_stay_as_they_are(self) -> None:
        texts = ["", " ", "a\rb", "c\nd\n", "%5Cn", "e,f", "中文"]
        pairs = [["Z", "1\n2"], ["A", ""], ["M", "\r"], ["B", "$Z="]]
        self.image("base", "--env", self.file("base.json", '{"K": "v\\n"}'))
        manifest, image = self.image(
            "image",
            *("--cmd", self.file("cmd.json", json.dumps(texts))),
            *("--entrypoint", self.file("entrypoint.json", '[""]')),
            *("--env", self.file("env.json", json.dumps(pairs))),
            *("--labels", self.file("labels.json", json.dumps(dict(pairs)))),
            *("--annotations", self.file("annotations.json", json.dumps(pairs))),
            *("--exposed-ports", self.file("ports.json", '["53/udp"]')),
            *("--volumes", self.file("volumes.json", '["/a,b", "/c "]')),
            base="base",
        )
        config = image["config"]
        self.assertEqual((config["Entrypoint"], config["Cmd"]), ([""], texts))
        self.assertEqual(config["Env"], ["K=v\n", "Z=1\n2", "A=", "M=\r", "B=1\n2="])
        self.assertEqual(list(config["Labels"].items()), [tuple(pair) for pair in pairs])
        self.assertEqual(list(manifest["annotations"].items()), [tuple(pair) for pair in pairs])
        self.assertEqual(config["ExposedPorts"], {"53/udp": {}})
        self.assertEqual(config["Volumes"], {"/a,b": {}, "/c ": {}})

    def test_a_file_named_json_that_is_none(self) -> None:
        for content in ("a=b\n", '["a"]', '"a"', "1", '{"": "b"}', '{"a": 1}'):
            args = ["--os=linux", "--architecture=amd64", "--env", self.file("e.json", content)]
            out = ["--out", self.root / "x", "--digest-file", self.root / "d"]
            self.assertEqual(self.run_tool("image", *out, *args), 1, content)
            self.assertIn("e.json must hold JSON", self.errors.getvalue())
            self.errors.truncate(0)

    def test_image_on_a_base(self) -> None:
        env = self.file("env", "PATH=/bin\nKEPT=yes\n")
        cmd = self.file("cmd", "old\n")
        self.image("base", *self.layer("a", b"a"), "--env", env, "--cmd", cmd)
        more = self.file("more", "PATH=/app:$PATH\nBOTH=${KEPT}$NOTHING-$$x=y\n")
        _, same = self.image("same", *self.layer("b", b"b"), "--env", more, base="base")
        values = ["PATH=/app:/bin", "KEPT=yes", "BOTH=yes-$$x=y"]
        self.assertEqual(same["config"]["Env"], values)
        self.assertEqual(same["config"]["Cmd"], ["old"])
        self.assertEqual(len(same["rootfs"]["diff_ids"]), 2)
        entrypoint = self.file("entrypoint", "/new\n")
        _, other = self.image("other", "--entrypoint", entrypoint, base="base")
        self.assertNotIn("Cmd", other["config"])

    def test_chain_ids_of_layers(self) -> None:
        layers = [*self.layer("a", b"one"), *self.layer("b", b"two"), *self.layer("c", b"three")]
        ids = [layout.sha256(data) for data in (b"one", b"two", b"three")]
        two = layout.sha256(f"{ids[0]} {ids[1]}".encode())
        expected = {"low": ids[0], "all": layout.sha256(f"{two} {ids[2]}".encode())}
        flags = ["--chain-id=low=1", "--chain-id=all=3"]
        manifest, config = self.image("image", *layers, *flags)
        self.assertEqual(manifest["annotations"], expected)
        self.assertEqual(config["config"]["Labels"], expected)
        out = ["--out", self.root / "x", "--digest-file", self.root / "y"]
        platform = ["--os=linux", "--architecture=amd64"]
        self.assertEqual(self.run_tool("image", *out, *platform, *layers, "--chain-id=more=4"), 1)
        self.assertIn("more is of 4 layers, but the image has 3", self.errors.getvalue())

    def test_docker_base_gives_docker_layers(self) -> None:
        base = layout.Layout(self.root / "docker")
        rootfs = {"type": "layers", "diff_ids": []}
        image = {"os": "linux", "created": "2020-02-02T00:00:00Z", "rootfs": rootfs}
        manifest = {
            "schemaVersion": 2,
            "mediaType": layout.DOCKER_MANIFEST,
            "config": base.json(layout.DOCKER_CONFIG, image),
            "layers": [],
        }
        base.finish(base.json(layout.DOCKER_MANIFEST, manifest))
        layer = self.layer("a", gzip.compress(b"a"))
        manifest, config = self.image("image", *layer, base="docker")
        self.assertEqual(manifest["mediaType"], layout.DOCKER_MANIFEST)
        self.assertEqual(manifest["config"]["mediaType"], layout.DOCKER_CONFIG)
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        self.assertEqual([entry["mediaType"] for entry in manifest["layers"]], [kind])
        self.assertEqual(config["created"], "2020-02-02T00:00:00Z")

    def test_platform_is_mandatory_without_a_base(self) -> None:
        args = ["image", "--out", self.root / "x", "--digest-file", self.root / "d", "--os=linux"]
        self.assertEqual(self.run_tool(*args), 1)
        self.assertIn("'os' and 'architecture' are mandatory", self.errors.getvalue())

    def test_index(self) -> None:
        self.image("one", *self.layer("a", b"a"))
        self.image("two", *self.layer("b", b"b"), "--architecture=arm64", "--variant=v8")
        out, digest = self.root / "index", self.root / "index.digest"
        images = ["--image", self.root / "one", "--image", self.root / "two"]
        note = self.file("note", "k=v\n")
        args = ["index", "--out", out, "--digest-file", digest, "--annotations", note]
        self.assertEqual(self.run_tool(*args, *images), 0, self.errors.getvalue())
        index = layout.read_blob(out, layout.read_manifest_descriptor(out)["digest"])
        platforms = [entry["platform"] for entry in index["manifests"]]
        arm = {"architecture": "arm64", "os": "linux", "variant": "v8"}
        self.assertEqual(platforms, [{"architecture": "amd64", "os": "linux"}, arm])
        self.assertEqual(index["annotations"], {"k": "v"})
        self.assertEqual(self.run_tool(*args, *images, *images[:2]), 1)
        self.assertIn("one image a platform", self.errors.getvalue())

    def test_labels_without_a_value(self) -> None:
        args = ["--os=linux", "--architecture=amd64", "--labels", self.file("l", "oops\n")]
        out = ["--out", self.root / "x", "--digest-file", self.root / "d"]
        self.assertEqual(self.run_tool("image", *out, *args), 1)
        self.assertIn("key=value", self.errors.getvalue())


if __name__ == "__main__":
    unittest.main()
