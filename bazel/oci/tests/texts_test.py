"""Tests that the texts of an image come through the rules as they are written."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

from bazel.oci.layout import read_blob, read_manifest_descriptor

TEXTS = ["", " ", "a\rb", "c\nd\n", "%5Cn", "e,f", "'\"\\$x", "中文"]


class TextsTest(unittest.TestCase):
    layout: Path

    def test_texts(self) -> None:
        manifest = read_blob(self.layout, read_manifest_descriptor(self.layout)["digest"])
        config = read_blob(self.layout, manifest["config"]["digest"])["config"]
        self.assertEqual((config["Entrypoint"], config["Cmd"]), ([""], TEXTS))
        pairs = [(f"k{index}", text) for index, text in reversed(list(enumerate(TEXTS[:-2])))]
        self.assertEqual(config["Env"], [f"{key}={text}" for key, text in pairs])
        self.assertEqual(list(config["Labels"].items()), pairs)
        self.assertEqual(list(manifest["annotations"].items()), pairs)
        self.assertEqual(config["Volumes"], {"/a,b": {}, "/中 文": {}})


if __name__ == "__main__":
    TextsTest.layout = Path(sys.argv.pop())
    unittest.main()
