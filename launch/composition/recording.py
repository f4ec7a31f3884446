"""Opens the recorder of an opened robot, as its plan has it."""

from collections.abc import Mapping
from pathlib import Path

from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.reporting.output import warn
from leash_robot.robot.recording.recorder import Recorder


def recorder_of(opened: Opened, folder: Path, info: Mapping[str, str]) -> Recorder:
    """A recorder, to be entered, that keeps `info` (task, operator, policy) in every episode."""
    nice = opened.plan.processes.recorder.nice
    return Recorder(folder, opened.spec, calibration_hash=opened.calibration.hash, info=info, nice=nice, report=warn)
