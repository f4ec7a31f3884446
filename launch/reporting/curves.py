"""Curves for TensorBoard, which a training can do without: no room for them is said once, and then nobody draws.

Note: torch's own writer writes from a thread, whose failure is a traceback on the screen and an error later.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from leash_robot.launch.reporting.output import console


class Curves:
    """Draws into the folder `tensorboard`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._on = True
        with self._giving_up():
            self._folder.mkdir(parents=True, exist_ok=True)
            # Note: TensorBoard knows its files by the beginning of this name.
            self._file = (self._folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}").open("ab")
            self._writer = RecordWriter(self._file)
            self._write(Event(wall_time=0.0, file_version="brain.Event:2"))

    def add(self, values: Mapping[str, float], step: int, minutes: float) -> None:
        """One point of each curve, written before this returns."""
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        with self._giving_up():
            self._write(Event(wall_time=60 * minutes, step=step, summary=Summary(value=points)))

    def close(self) -> None:
        """Finish the file."""
        with self._giving_up():
            if self._on:
                self._file.close()
        self._on = False

    def _write(self, event: Event) -> None:
        if self._on:
            self._writer.write(event.SerializeToString())
            self._file.flush()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._on = False
            say = f"no more curves: cannot write to {self._folder}: {error.strerror}; learning goes on"
            console.print(say, highlight=False, soft_wrap=True)
            with contextlib.suppress(OSError, AttributeError):
                self._file.close()
