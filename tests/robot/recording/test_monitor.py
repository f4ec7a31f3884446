"""What is said of a recording while it runs."""

from types import SimpleNamespace
from typing import cast

from leash_robot.robot.recording.monitor import RecordingMonitor
from leash_robot.robot.recording.recorder import Recorder


def test_lost_ticks_are_said_once_unless_the_disk_ended_the_episode() -> None:
    status = SimpleNamespace(dropped=3, index=4, error="")
    recorder = SimpleNamespace(status=status, cut_short={}, missing={}, notes=[])
    said: list[str] = []
    monitor = RecordingMonitor(cast(Recorder, recorder), said.append)
    monitor.report()
    monitor.report()
    assert said == monitor.losses == ["episode 4 has gaps: ticks were lost on the way to the recorder"]
    recorder.cut_short = {4: "episode 4 is cut short: disk full"}
    monitor.report()
    assert said[1:] == ["episode 4 is cut short: disk full"]
