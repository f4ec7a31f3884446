"""What a session leaves beside its episodes, and what it says when that cannot be written."""

import time
from pathlib import Path

import pytest

from leash_robot.launch.reporting.output import warn
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.notes import Note, read_notes
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.recording.monitor import RecordingMonitor
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Tick
from leash_robot.teleop.operator import Event, Intent
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.files import LabelWriter, NoteWriter, full
from support.recording.recordings import record

SPEC = load_spec()


def standing() -> Tick:
    with FakeRobot(SPEC) as robot:
        return Tick(robot.observe(), Action(SPEC.stand), Action(SPEC.stand))


def test_a_second_thought_is_kept_beside_the_episode(tmp_path: Path) -> None:
    path = record(tmp_path, 3)
    with LabelWriter(tmp_path, {}) as relabel:
        relabel(0, "failure")
    assert relabel.lost == []
    assert read_episode(path).outcome == "failure"


def test_a_second_thought_is_kept_that_comes_after_the_end_of_the_loop(tmp_path: Path) -> None:
    path = record(tmp_path, 3)
    with LabelWriter(tmp_path, {}) as relabel:
        pass
    relabel(0, "failure")
    assert relabel.lost == []
    assert read_episode(path).outcome == "failure"


def test_a_second_thought_that_is_lost_is_told_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.jsonl").mkdir()
    with (
        Recorder(tmp_path, SPEC, room=0) as recorder,
        LabelWriter(tmp_path, {"episode_000007.mcap": "seven"}) as relabel,
    ):
        relabel(7, "discarded")
        relabel.__exit__()
        with RecordingMonitor(recorder, warn, lambda: relabel.lost) as monitor:
            monitor.add(standing())
            monitor.add(standing())
    (line,) = capsys.readouterr().err.splitlines()
    assert line == relabel.lost[0]
    assert "labels.jsonl: Is a directory" in line
    assert f"leash data label {tmp_path}/episode_000007.mcap discarded" in line


def noted(folder: Path) -> NoteWriter:
    """A note at a session without an episode; what keeps it."""
    intent = Intent(0.0, events=(Event.NOTE,), note="slipped")
    with Recorder(folder, SPEC, room=0) as recorder, NoteWriter(folder, recorder.ids) as note:
        EpisodeStateMachine(recorder, lambda index, outcome: None, lambda: intent, note=note).add(standing())
    return note


def test_a_note_is_on_the_disk_before_the_session_ends(tmp_path: Path) -> None:
    with NoteWriter(tmp_path, {"episode_000003.mcap": "three"}) as note:
        note(3, 1.5, "slipped")
        deadline = time.monotonic() + 20
        while not read_notes(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert read_notes(tmp_path) == [Note(3, 1.5, "slipped", "three")]


def test_a_note_that_is_lost_is_told_with_its_text(tmp_path: Path) -> None:
    assert noted(tmp_path).lost == []
    assert [note.text for note in read_notes(tmp_path)] == ["slipped"]
    (tmp_path / "notes.jsonl").unlink()
    (tmp_path / "notes.jsonl").mkdir()
    (lost,) = noted(tmp_path).lost
    assert "notes.jsonl: Is a directory; the note was 'slipped'" in lost


def test_a_full_folder_is_named_with_the_way_to_more() -> None:
    assert full(Path("data/walk"), 3, 4) == ""
    assert full(Path("data/walk"), 4, 4) == "data/walk holds 4 of 4 episodes; --episodes 8 for 4 more"
