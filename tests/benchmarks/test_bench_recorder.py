"""The bench of the recorder: that it kills, counts, and shows how far it is."""

from pathlib import Path

import pytest

from leash_robot.benchmarks.loop.recorder import measure_kills


def test_kills_lose_nothing_and_progress_is_one_line_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = measure_kills(2, tmp_path)
    assert (figures["kills"], figures["restarts"], figures["lost_ticks"]) == (2, 2, 0)
    assert figures["finished_identical"] is True
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kills ")
