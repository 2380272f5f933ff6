"""The code blocks of a page run, word for word, or say what they need; its commands are there."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(os.environ["PAGE"])
COMMANDS = Path(os.environ["COMMANDS"]).absolute()
TOLD = json.loads(COMMANDS.read_text(encoding="utf-8"))
BUILT = Path("docs/built.py").absolute()
FILES = Path.cwd()

# Programs that hand words on to another one, from the first that is no option's value.
_HANDS_ON = re.compile(r"//deploy:training.*|//images(/mine)?:.*_run")
# What is asked for its options in place of programs that need large images.
_LIKE = {
    r"//cc:fuzz": "//cc/base:fuzz_values",
    r"//deploy:serving_gpu": "//deploy:serving",
    r"//deploy:training(_gpu)?": "//deploy:training_for_test",
    r"//images:(report|verify)(_gpu|_models)?": r"//bazel/image/tests:\1",
    r"//images(?:/mine)?:\w+_(push|run)": r"//bazel/image/tests:small_\1",
}
# What the reader is told to make.
_READERS = re.compile("//(images|python)/mine(:.*)?")
_MARK = re.compile(r"<!-- (?:needs|(run by)): (.+) -->")


@dataclass
class Block:
    """A fenced block."""

    line: int
    language: str
    mark: str
    text: str

    @property
    def place(self) -> str:
        return f"{PAGE}:{self.line}"


@dataclass
class Command:
    """One `./bazelw ...` of a block or of the text."""

    line: int
    words: list[str]

    def __str__(self) -> str:
        return f"{PAGE}:{self.line}: `{shlex.join(self.words)}`"


def blocks(lines: list[str]) -> list[Block]:
    found: list[Block] = []
    inside = False
    for number, line in enumerate(lines, 1):
        if inside and line.strip() == "```":
            inside = False
        elif inside:
            found[-1].text += line + "\n"
        elif line.lstrip().startswith("```"):
            before = lines[number - 2] if number > 1 else ""
            found.append(Block(number, line.strip().strip("`"), before.strip(), ""))
            inside = True
    assert not inside, f"{PAGE}: the block of line {found[-1].line} has no end"
    return found


def commands(lines: list[str], of: list[Block]) -> list[Command]:
    text = {number: line for number, line in enumerate(lines, 1)}
    found = []
    for block in of:
        joined = re.sub(r"\\\n\s*", " ", block.text)
        for number in range(block.line, block.line + block.text.count("\n") + 2):
            text[number] = ""
        for line in joined.splitlines():
            if match := re.match(r"(?:\$ )?(?:sudo )?(?:\w+=\S* )*(\./bazelw .*)", line):
                words = shlex.split(match[1], comments=True)
                end = next((i for i, word in enumerate(words) if word in "|&&;>"), None)
                found.append(Command(block.line, words[1:end]))
    for number, line in text.items():
        for span in re.findall(r"`(?:\w+=\S* )*\./bazelw ([^`]*)`", line):
            found.append(Command(number, shlex.split(span)))
    return found


LINES = PAGE.read_text(encoding="utf-8").splitlines()
BLOCKS = blocks(LINES)


@functools.cache
def help_of(label: str) -> str:
    """What `--help` of a program says."""
    command = [sys.executable, str(BUILT), "run", label, "--", "--help"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{label} -- --help: {done.stderr}"
    return done.stdout + done.stderr


def environment() -> dict[str, str]:
    return os.environ | {
        "COMMANDS": str(COMMANDS),
        "FILES": str(FILES),
        "HOME": os.environ["TEST_TMPDIR"],
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a checkout in which everything is built."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "bazel-bin").symlink_to(FILES)
    bazelw = folder / "bazelw"
    bazelw.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{BUILT}" "$@"\n')
    bazelw.chmod(0o755)
    return folder


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_a_block_runs_or_says_what_it_needs(block: Block, checkout: Path) -> None:
    if mark := _MARK.fullmatch(block.mark):
        if mark[1]:
            assert mark[2] in TOLD["named"], (
                f"{block.place}: {mark[2]} is not in _NAMED of this page in docs/BUILD.bazel"
            )
        return
    python = ["env", "PYTHONPATH=" + os.pathsep.join(sys.path), sys.executable, "-c"]
    command = {"sh": ["sh", "-euc"], "python": python}.get(block.language)
    if not command:
        assert not block.language and "$ ./bazelw" not in block.text, (
            f'{block.place}: nobody runs this block; CONTRIBUTING.md, "Pages", says how to mark it'
        )
        return
    done = subprocess.run(
        [*command, block.text],
        cwd=checkout,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{block.place}: exit code {done.returncode}. Mend the block or the program, or say what "
        f'the block needs (CONTRIBUTING.md, "Pages").\n{block.text}\n{done.stdout}'
    )


def own(words: list[str]) -> list[str]:
    """Options and their values, up to the first word that is neither."""
    before = ""
    for number, word in enumerate(words):
        if not word.startswith("-") and (not before.startswith("-") or "=" in before):
            return words[:number]
        before = word
    return words


def like(label: str) -> str:
    for pattern, other in _LIKE.items():
        if match := re.fullmatch(pattern, label):
            return match.expand(other)
    return label


@pytest.mark.parametrize("command", commands(LINES, BLOCKS), ids=str)
def test_a_command_names_what_is_there(command: Command) -> None:
    verb, *words = command.words
    ours = words[: words.index("--")] if "--" in words else words
    for config in (word.removeprefix("--config=") for word in ours if word.startswith("--config=")):
        settings = Path(".bazelrc").read_text() + Path("bazel/workspace/bazelrc").read_text()
        assert f":{config} " in settings, f"{command}: no such --config"
    targets = [word for word in ours if word.startswith("//")]
    for label in targets:
        # Whether those for GPUs are there would cost gigabytes.
        if not (label.endswith("...") or "gpu" in label or _READERS.fullmatch(label)):
            assert label in TOLD["programs"] or label in TOLD["named"], (
                f"{command}: {label} is not in _TARGETS or _NAMED of this page in docs/BUILD.bazel"
            )
    if verb != "run" or not targets:
        return
    (label, *_) = targets
    theirs = words[words.index(label) + 1 :]
    if theirs[:1] == ["--"]:
        theirs.pop(0)
    if "--" in theirs:  # what follows is another program's
        theirs = theirs[: theirs.index("--")]
    if _HANDS_ON.fullmatch(label):
        theirs = own(theirs)
    program = like(label)
    for option in (word.partition("=")[0] for word in theirs if word.startswith("-")):
        known = re.compile(rf"(?<![\w-]){re.escape(option)}(?![\w-])")
        assert known.search(help_of(program)), (
            f"{command}: {program} -- --help does not know {option}"
        )


def anchors(page: Path) -> set[str]:
    """Of the headings, as forges make them."""
    headings = re.findall("^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    for number, line in enumerate(LINES, 1):
        for target, anchor in re.findall(r"\]\(([^)#:]+)?(?:#([^)]+))?\)", line):
            page = Path(os.path.normpath(PAGE.parent / target)) if target else PAGE
            assert page.exists(), (
                f"{PAGE}:{number}: no {page}, or not in _PAGES of docs/BUILD.bazel"
            )
            assert not anchor or anchor in anchors(page), f"{PAGE}:{number}: no #{anchor} in {page}"
