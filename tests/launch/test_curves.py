"""Curves: TensorBoard reads them, and a disk without room costs them and nothing else."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from leash_robot.launch.reporting.curves import Curves
from support.recording.disks import files_at_most


def read(folder: Path) -> list[tuple[int, float, float]]:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return [(point.step, point.wall_time, point.value) for point in found.Scalars("robot/reward")]


def test_tensorboard_reads_what_was_drawn(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    for step in range(3):
        curves.add({"robot/reward": 0.5 * step, "learner/value": 1.0}, step, 0.5)
    curves.close()
    assert read(tmp_path) == [(0, 30.0, 0.0), (1, 30.0, 0.5), (2, 30.0, 1.0)]


def test_a_disk_without_room_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curves = Curves(tmp_path)
    with files_at_most(2000):
        for step in range(200):
            curves.add({"robot/reward": 1.0}, step, 1.0)
    curves.add({"robot/reward": 1.0}, 200, 1.0)
    curves.close()
    said = capsys.readouterr().err
    assert said.count("no more curves") == 1
    assert "File too large" in said and "learning goes on" in said
    assert 10 < len(read(tmp_path)) < 200


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tensorboard").write_text("in the way")
    curves = Curves(tmp_path)
    curves.add({"robot/reward": 1.0}, 0, 0.0)
    curves.close()
    assert capsys.readouterr().err.count("no more curves") == 1
