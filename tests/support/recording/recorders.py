"""Recorders for tests: opened, fed, killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Tick
from support.recording.recordings import small_spec

SPEC = small_spec()


def recorder(folder: Path) -> Recorder:
    return Recorder(folder, SPEC, calibration_hash="c0ffee", info={"task": "walk"}, room=1 << 20)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def kill(one: Recorder) -> None:
    os.kill(one.process, signal.SIGKILL)
    one._link._process.wait()


def feed(one: Recorder, made: list[Tick]) -> None:
    for tick in made:
        one.add(tick)
