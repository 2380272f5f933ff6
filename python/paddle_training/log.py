"""What a run tells machines: JSON on stdout, curves for TensorBoard. What people read is on stderr.

Nothing of it reaches a model: it holds times.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_training import distributed


class Log:
    """One JSON object a line on stdout; the same numbers as event files in a directory, if given.

    Each run, and each time that it goes on after a kill, adds an event file of its own. Of several
    processes that train together, the first alone tells of anything.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._resumed: int | None = None
        self._writer: Any = None

    def resume(self, step: int) -> None:
        """To be called before the first record when training goes on after `step` steps.

        TensorBoard then hides what the killed run had told of later steps.
        """
        self._resumed = step
        self._print(step, resumed=True)

    def parameters(self, step: int, digests: Sequence[str]) -> None:
        """Tells of the parameters that each process has after `step` steps."""
        self._print(step, parameters=list(digests))

    def record(self, step: int, **values: float) -> None:
        """Tells of numbers such as loss or accuracy after `step` steps."""
        if not distributed.is_first():
            return
        # JSON has no NaN and no infinity.
        self._print(step, **{k: v if math.isfinite(v) else None for k, v in values.items()})
        if self._directory is None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        # Here, so that runs without event files need no protocol buffers. Not SummaryWriter: its
        # queue and thread lose at a kill what was told long before.
        from tensorboardX import event_file_writer, summary
        from tensorboardX.proto import event_pb2

        if self._writer is None:
            # A name of its own also for the run that goes on within the same second.
            self._writer = event_file_writer.EventsWriter(
                str(self._directory / "events"), filename_suffix=f".{os.getpid()}"
            )
            if self._resumed is not None:
                start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
                self._write(event_pb2.Event(step=self._resumed + 1, session_log=start))
        for name, value in values.items():
            scalar = summary.scalar(name, value)
            self._write(event_pb2.Event(step=step, summary=scalar))
        self._writer.flush()

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)

    def _print(self, step: int, **values: float | bool | list[str] | None) -> None:
        if not distributed.is_first():
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"time": now, "step": step, **values}), flush=True)
