"""The recorder of an opened robot, as its plan has it."""

from collections.abc import Mapping
from pathlib import Path

from launch.robots import Opened
from robot.recorder import Recorder


def recorder_of(opened: Opened, folder: Path, info: Mapping[str, str]) -> Recorder:
    """A recorder, to be entered, that keeps `info` (task, operator, policy) in every episode."""
    nice = opened.plan.processes.recorder.nice
    return Recorder(folder, opened.spec, calibration_hash=opened.calibration.hash, info=info, nice=nice)
