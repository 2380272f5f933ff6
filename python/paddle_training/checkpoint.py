"""Checkpoints that survive a kill -9 at any moment, and tell when they are damaged.

A checkpoint is one file. It is written under another name, brought to the disk, and only then
renamed, and the one before it stays until after that: whenever the process dies, a whole one is
left. Its first line is the digest of all that follows, so that no half or changed file is trusted.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

_FORMAT = 1
_KEPT = 2  # the newest, and the one before it should the newest be damaged
_SHOWN = 60  # characters of a value in a message; longer ones are called "another"


class CheckpointError(click.ClickException):
    """Checkpoints that this run cannot go on from; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on after `step` steps."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]  # whatever else JSON can hold


class Checkpoints:
    """The checkpoints of one run, in a directory of its own.

    Not for two processes at once: the second is refused.
    """

    def __init__(self, directory: Path, configuration: Mapping[str, Any]) -> None:
        """Makes the directory, takes it for this process, and clears what a kill left there.

        Args:
            directory: of this run alone; relative to the working directory.
            configuration: all that the run's bits depend on, in JSON's types. Checkpoints of
                another configuration are refused.
        """
        self._directory = directory.absolute()
        self._configuration = json.loads(json.dumps(configuration))
        self._directory.mkdir(parents=True, exist_ok=True)
        # Held until the process ends, however it ends.
        self._lock = (self._directory / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"{self._directory}: another process trains with these checkpoints. Wait for its "
                "end, or give this run a --checkpoint folder of its own."
            ) from None
        for unfinished in self._directory.glob("step-*.unfinished"):
            unfinished.unlink()

    def load(self, steps: int) -> Checkpoint | None:
        """The newest sound checkpoint, or None. One that is damaged is named and set aside.

        Args:
            steps: how many the run will take; a checkpoint beyond them is refused.
        """
        for path in reversed(self._found()):
            try:
                header, arrays = _parse(path.read_bytes())
            except _DamagedError as damage:
                aside = path.with_suffix(".damaged")
                path.replace(aside)
                click.echo(
                    f"{path}: damaged ({damage}); set aside as {aside.name}, training goes on "
                    "from the one before it.",
                    err=True,
                )
                continue
            if reasons := self._differences(header, steps):
                raise CheckpointError(
                    f"{path} is a checkpoint of another run: {'; '.join(reasons)}. Repeat that "
                    "run's options, or give this run a --checkpoint folder of its own."
                )
            return Checkpoint(header["step"], arrays, header["values"])
        return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint to the disk, then removes all but the newest two."""
        path = self._directory / f"step-{checkpoint.step:010}.checkpoint"
        try:
            self._write(path, _serialize(checkpoint, self._configuration))
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written: {error.strerror}. The ones before it are whole: mend "
                "that and repeat the command, to go on from there."
            ) from error
        for old in self._found()[:-_KEPT]:
            old.unlink()

    def _write(self, path: Path, data: bytes) -> None:
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name too is on the disk before an old one goes
        finally:
            os.close(directory)

    def _found(self) -> list[Path]:
        """Oldest first: the names' numbers have one width."""
        return sorted(self._directory.glob("step-*.checkpoint"))

    def _differences(self, header: Mapping[str, Any], steps: int) -> list[str]:
        if header["format"] != _FORMAT:
            return [f"its format is {header['format']}, this program's is {_FORMAT}"]
        there, here = header["configuration"], self._configuration
        reasons = [
            _difference(key, there.get(key), here.get(key))
            for key in dict.fromkeys((*here, *there))
            if there.get(key) != here.get(key)
        ]
        if header["step"] > steps:
            reasons.append(f"it is at step {header['step']}, and {steps} steps are asked for")
        return reasons


class _DamagedError(Exception):
    """A file that is not what was written."""


def read(path: Path) -> tuple[Checkpoint, Mapping[str, Any]]:
    """A checkpoint for another run to begin with, and the configuration of the run that wrote it.

    Args:
        path: a checkpoint, or a folder of them, whose newest is taken.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if path.is_dir():
        found = sorted(path.glob("step-*.checkpoint"))
        if not found:
            raise CheckpointError(f"{path}: no checkpoint (step-*.checkpoint) is there.")
        path = found[-1]
    try:
        header, arrays = _parse(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    except _DamagedError as damage:
        raise CheckpointError(f"{path}: damaged ({damage}). Take another one.") from damage
    return Checkpoint(header["step"], arrays, header["values"]), header["configuration"]


def _difference(key: str, there: object, here: object) -> str:
    if max(len(str(there)), len(str(here))) > _SHOWN:
        return f"{key} is another"
    return f"{key} is {there} there and {here} here"


def _serialize(checkpoint: Checkpoint, configuration: Mapping[str, Any]) -> bytes:
    header = {
        "format": _FORMAT,
        "step": checkpoint.step,
        "configuration": configuration,
        "values": checkpoint.values,
    }
    arrays = io.BytesIO()
    np.savez(arrays, **checkpoint.arrays)
    body = json.dumps(header).encode() + b"\n" + arrays.getvalue()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _parse(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    digest, _, body = data.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode():
        raise _DamagedError(f"its {len(data)} bytes have another digest than its first line says")
    header, _, arrays = body.partition(b"\n")
    with np.load(io.BytesIO(arrays), allow_pickle=False) as loaded:
        return json.loads(header), dict(loaded)
