"""What a session leaves beside its episodes, and what it says when that cannot be written."""

import json
from pathlib import Path

import pytest
from recordings import record

from launch.recording import Crier
from launch.session_files import Relabel, keep_notes
from robot.episode import read_episode
from robot.fake import FakeRobot
from robot.recorder import Recorder
from robot.spec import load_spec
from robot.types import Action, Tick
from teleop.operator import Event, Intent
from teleop.session import Session

SPEC = load_spec()


def standing() -> Tick:
    with FakeRobot(SPEC) as robot:
        return Tick(robot.observe(), Action(SPEC.stand), Action(SPEC.stand))


def test_a_second_thought_is_kept_beside_the_episode(tmp_path: Path) -> None:
    path = record(tmp_path, 3)
    with Relabel(tmp_path) as relabel:
        relabel(0, "failure")
    assert relabel.lost == []
    assert read_episode(path).outcome == "failure"


def test_a_second_thought_that_is_lost_is_told_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.jsonl").mkdir()
    with Recorder(tmp_path, SPEC, room=0) as recorder, Relabel(tmp_path) as relabel:
        relabel(7, "discarded")
        relabel.__exit__()
        with Crier(recorder, lambda: relabel.lost) as crier:
            crier.add(standing())
            crier.add(standing())
    (line,) = capsys.readouterr().err.splitlines()
    assert line == relabel.lost[0]
    assert "labels.jsonl: Is a directory" in line
    assert f"leash data label {tmp_path}/episode_000007.mcap discarded" in line


@pytest.mark.parametrize("broken", [False, True])
def test_notes_are_kept_or_else_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, broken: bool) -> None:
    intent = Intent(0.0, events=(Event.NOTE,), note="slipped")
    with Recorder(tmp_path, SPEC, room=0) as recorder:
        session = Session(recorder, lambda index, outcome: None, lambda: intent)
        session.add(standing())
    if broken:
        (tmp_path / "notes.jsonl").mkdir()
    keep_notes(tmp_path, session)
    said = capsys.readouterr().err.splitlines()
    lines = said[1:] if broken else (tmp_path / "notes.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["slipped"]
    assert ("Is a directory" in said[0]) if broken else not said
