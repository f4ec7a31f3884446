"""What is said of an episode belongs to the episode itself: not to its number, nor to its file name."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.folder import keep_index, next_index, release_index
from leash_robot.robot.dataset.labels import LABELS, add_label
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End, identity
from leash_robot.robot.dataset.notes import Note, add_note, notes_of, read_notes
from leash_robot.robot.dataset.takeovers import Stretch, add_takeover, takeovers_of
from leash_robot.robot.errors import LabelError
from support.paths import TESTS
from support.recording.recorders import feed, recorder
from support.recording.recordings import fill, record, start, ticks


def recorded(folder: Path) -> Episode:
    """An episode by the recorder."""
    with recorder(folder) as one:
        one.begin()
        feed(one, ticks(5))
        one.end("unlabelled", "stopped")
    assert one.last is not None
    return read_episode(one.last.path)


def spoken_of(episode: Episode) -> None:
    """Label an episode, note something, and keep a takeover."""
    add_label(episode.path, "failure")
    add_note(episode.path.parent, Note(episode.start.index, 0.1, "slipped", episode.id))
    add_takeover(episode.path.parent, Stretch(episode.path.name, 1, "person", 0, 3, "handback", episode.id))


def said(path: Path) -> tuple[str, int, int]:
    """Outcome, and how many notes and takeovers an episode has."""
    episode = read_episode(path)
    return episode.outcome, len(notes_of(path, episode.start)), len(takeovers_of(path, episode.start))


def test_an_episode_after_a_deleted_one_has_a_new_number_and_nothing_of_the_old(tmp_path: Path) -> None:
    recorded(tmp_path)
    newest = recorded(tmp_path)
    spoken_of(newest)
    newest.path.unlink()
    after = recorded(tmp_path)
    assert after.path.name == "episode_000002.mcap"
    assert said(after.path) == ("unlabelled", 0, 0)
    after.path.rename(newest.path)
    assert said(newest.path) == ("unlabelled", 0, 0)


def test_a_number_stays_used_when_every_file_that_is_seen_is_removed(tmp_path: Path) -> None:
    spoken_of(recorded(tmp_path))
    for path in tmp_path.glob("[!.]*"):
        path.unlink()
    assert next_index(tmp_path) == 1


@pytest.mark.parametrize("name", ["labels.jsonl", "takeovers.jsonl", "notes.jsonl"])
def test_a_number_is_used_that_a_file_beside_the_episodes_mentions(tmp_path: Path, name: str) -> None:
    lines = {"notes.jsonl": '{"episode":4,"seconds":1.0,"text":""}\n{"episode":null,"seconds":0.0,"text":"9"}\n'}
    (tmp_path / name).write_text(lines.get(name, '{"episode":"episode_000004.mcap","outcome":"success"}\n'))
    assert next_index(tmp_path) == 5


def test_the_kept_number_never_goes_back_and_is_not_believed_when_it_is_garbage(tmp_path: Path) -> None:
    keep_index(tmp_path, 7)
    keep_index(tmp_path, 3)
    assert next_index(tmp_path) == 8
    (tmp_path / ".next").write_text("garbage")
    assert next_index(tmp_path) == 0


SHOWING = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from support.recording.recorders import recorder
with recorder(Path(sys.argv[1])) as one:
    os.kill(one.process, signal.SIGKILL)
    print(one.begin(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_number_that_was_shown_is_used_although_every_process_is_killed_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHOWING, str(tmp_path), str(TESTS)]
    shown = [subprocess.run(command, capture_output=True, check=False, timeout=60).stdout for _ in range(2)]
    assert len(set(shown)) == 2 and not list(tmp_path.glob("episode_*"))


def test_a_session_gives_back_the_number_that_it_did_not_use(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        assert next_index(tmp_path) == 1
        one.begin()
    assert next_index(tmp_path) == 1
    with recorder(tmp_path):
        pass
    assert next_index(tmp_path) == 1


def test_a_number_is_not_given_back_that_is_below_one_in_use(tmp_path: Path) -> None:
    keep_index(tmp_path, 7)
    release_index(tmp_path, 3)
    assert next_index(tmp_path) == 8


def test_a_renamed_and_a_copied_episode_keep_what_was_said_of_them(tmp_path: Path) -> None:
    episode = recorded(tmp_path)
    spoken_of(episode)
    other = tmp_path / "merged"
    other.mkdir()
    for beside in tmp_path.glob("*.jsonl"):
        shutil.copy(beside, other)
    assert said(Path(shutil.copy(episode.path, other / "episode_000041.mcap"))) == ("failure", 1, 1)
    assert said(episode.path.rename(tmp_path / "walk.mcap")) == ("failure", 1, 1)


def test_lines_by_file_name_count_for_episodes_from_before_there_were_ids_alone(tmp_path: Path) -> None:
    old, new = record(tmp_path, 5, index=0), recorded(tmp_path)
    (tmp_path / LABELS).write_text(
        '{"episode":"episode_000000.mcap","outcome":"discarded"}\n{"episode":"episode_000001.mcap","outcome":"discarded"}\n'
    )
    (tmp_path / "notes.jsonl").write_text(
        '{"episode":0,"seconds":1.0,"text":"old"}\n{"episode":1,"seconds":1.0,"text":"old"}\n'
    )
    assert said(old) == ("discarded", 1, 0)
    assert said(new.path) == ("unlabelled", 0, 0)
    add_label(old, "failure")
    assert read_episode(old.rename(tmp_path / "renamed.mcap")).outcome == "failure"


def test_an_episode_without_an_id_is_known_by_the_beginning_of_its_clock() -> None:
    one = start()
    assert identity(one) == identity(start()) != identity(start(index=1))
    assert identity(msgspec.structs.replace(one, id="its own")) == "its own"


@pytest.mark.parametrize("content", [None, b"no episode"])
def test_what_is_no_episode_is_not_labelled(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "episode_000000.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelError, match="cannot label .*(No such file|not an MCAP file)"):
        add_label(path, "success")


def test_notes_that_a_crash_left_torn_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_bytes(b'{"episode":0,"sec')
    add_note(tmp_path, Note(None, 0.0, "before"))
    assert [note.text for note in read_notes(tmp_path)] == ["before"]


def test_a_recorder_overwrites_no_episode_that_somebody_puts_in_its_way(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        record(tmp_path, 7, index=0)
        (tmp_path / "episode_000001.mcap").write_bytes(b"somebody's notes")
        one.begin()
        feed(one, ticks(5))
        assert one.wait()
        record(tmp_path / "..", 6, index=2).rename(tmp_path / "episode_000002.mcap")
        one.end("success", "success")
    assert one.last is not None
    assert one.last.path.name == "episode_000003.mcap"
    assert [len(read_episode(tmp_path / f"episode_{number:06d}.mcap")) for number in (0, 2, 3)] == [7, 6, 5]


def test_a_name_without_a_number_that_is_taken_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "walk.mcap"
    for _ in range(2):
        writer = EpisodeWriter(path, start())
        fill(writer, ticks(5))
        finished = writer.finish(End())
    assert finished.name == "walk_1.mcap"
