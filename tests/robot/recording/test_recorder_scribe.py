"""What the recorder process does when the disk says no, or when it finds what a predecessor left."""

import errno
import os
from pathlib import Path

import pytest

from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.mcap.scan import scan
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial
from leash_robot.robot.dataset.metadata import End, Outcome
from leash_robot.robot.dataset.repair import leftovers
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.recording import episode_writer as recorder_scribe
from leash_robot.robot.recording.episode_writer import Scribe
from leash_robot.robot.recording.messages import (
    Begin,
    EpisodeDone,
    EpisodeFailed,
    Finish,
    NoteMessage,
    RecorderSetup,
    Reply,
    Safe,
)
from support.recording.episodes import same_ticks
from support.recording.recordings import fill, flip, new_frames, record, small_spec, start, ticks

SPEC = small_spec()
LAYOUT = Layout(12, 2)


class Rig:
    """A scribe, and what it said."""

    def __init__(self, folder: Path, *, tidy: bool = True) -> None:
        self.replies: list[Reply] = []
        self.scribe = Scribe(RecorderSetup(str(folder), SPEC, "", {}, 0, tidy), self.replies.append)
        self.item = 0

    def feed(self, count: int, first: int = 0) -> None:
        made = ticks(count)
        for index in range(first, count):
            row = LAYOUT.pack(index, made[index], tuple(SPEC.cameras))
            self.scribe.take(self.item, row, new_frames(made, index, SPEC))
            self.item += 1

    def heard(self, kind: type[Reply]) -> list[Reply]:
        return [reply for reply in self.replies if isinstance(reply, kind)]


def broken(name: str, monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
    """Let a call of the operating system fail, as on a full disk unless another error is named."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def message(folder: Path) -> str:
    return f"cannot write to {folder}: No space left on device"


def test_ticks_are_safe_once_they_are_flushed(rig: Rig, tmp_path: Path) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    assert not rig.heard(Safe)
    rig.scribe.due(1e9)
    assert rig.heard(Safe) == [Safe(4)]
    assert len(read_episode(tmp_path / "episode_000000.mcap.partial")) == 5
    rig.scribe.due(1e9 + 0.1)
    rig.scribe.due(2e9)
    assert rig.heard(Safe) == [Safe(4)]


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_a_disk_that_is_full_from_the_start_is_told_and_nothing_is_taken(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    broken(call, monkeypatch)
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    rig.scribe.due(1e9)
    rig.scribe.finish(Finish(5, "success", "success", 5))
    assert rig.heard(EpisodeFailed) == [EpisodeFailed(0, message(tmp_path))]
    assert rig.heard(EpisodeDone) == [EpisodeDone(0, 0, "unlabelled", "fault", 5, "disk full")]
    assert rig.heard(Safe)[-1] == Safe(5)
    monkeypatch.undo()
    rig.scribe.begin(Begin(1, {}))
    rig.feed(3)
    rig.scribe.finish(Finish(6, "success", "success", 3))
    assert rig.heard(EpisodeDone)[-1] == EpisodeDone(1, 3, "success", "success", file="episode_000001.mcap")


@pytest.mark.parametrize(("asked", "outcome"), [("success", "unlabelled"), ("discarded", "discarded")])
def test_an_episode_that_a_failing_disk_cut_short_is_whole_counts_what_it_lacks_and_is_never_a_success(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Outcome, outcome: Outcome
) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    broken("fdatasync", monkeypatch)
    rig.scribe.due(1e9)
    assert rig.heard(EpisodeFailed) == [EpisodeFailed(0, message(tmp_path))]
    rig.feed(9, first=5)
    rig.scribe.due(2e9)
    rig.scribe.finish(Finish(20, asked, "success", 120))
    path = tmp_path / "episode_000000.mcap"
    assert verify(path) == []
    same_ticks(read_episode(path), ticks(5))
    assert read_episode(path).end == End(outcome, "fault", 5, 115, "disk full")
    assert rig.heard(EpisodeDone) == [EpisodeDone(0, 5, outcome, "fault", 115, "disk full", "episode_000000.mcap")]


def test_a_disk_that_breaks_is_not_called_full(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    broken("fdatasync", monkeypatch, errno.EIO)
    rig.scribe.due(1e9)
    rig.scribe.close("control lost")
    rig.scribe.close("control lost")
    assert read_episode(tmp_path / "episode_000000.mcap").end == End(
        "unlabelled", "fault", 5, detail="disk failed: Input/output error"
    )


def test_an_episode_that_cannot_even_be_finished_is_left_for_the_next_session(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    rig.scribe.due(1e9)
    rig.feed(9, first=5)
    broken("pwrite", monkeypatch)
    rig.scribe.finish(Finish(9, "success", "success", 9))
    monkeypatch.undo()
    assert rig.heard(EpisodeDone) == [EpisodeDone(0, 5, "unlabelled", "fault", 4, "disk full", "episode_000000.mcap")]
    path = tmp_path / "episode_000000.mcap"
    assert leftovers(tmp_path) == [path]
    after = Rig(tmp_path)
    assert after.replies == [NoteMessage(f"{path.name} was interrupted by a crash; its 5 ticks are kept")]
    same_ticks(read_episode(path), ticks(5))
    assert read_episode(path).outcome == "unlabelled"


def test_trouble_that_costs_no_tick_is_told_too(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, 5)
    broken("posix_fallocate", monkeypatch)
    rig.scribe.begin(Begin(0, {}))
    rig.scribe.finish(Finish(9, "success", "success", 5))
    assert rig.replies == [
        NoteMessage(message(tmp_path)),
        EpisodeDone(0, 5, "success", "stopped", file="episode_000000.mcap"),
        Safe(9),
    ]


def test_an_episode_completed_just_before_a_crash_is_not_written_again(rig: Rig, tmp_path: Path) -> None:
    path = record(tmp_path, 5, outcome="success")
    before = path.read_bytes()
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    rig.scribe.due(1e9)
    rig.scribe.finish(Finish(5, "success", "success", 5))
    assert path.read_bytes() == before
    assert rig.heard(EpisodeDone) == [EpisodeDone(0, 5, "success", "stopped", file="episode_000000.mcap")]


def test_ticks_that_are_handed_over_again_after_a_crash_are_not_doubled(rig: Rig, tmp_path: Path) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(7)
    rig.scribe.due(1e9)
    again = Rig(tmp_path, tidy=False)
    again.scribe.begin(Begin(0, {}))
    again.feed(12)
    again.scribe.finish(Finish(12, "success", "success", 12))
    same_ticks(read_episode(tmp_path / "episode_000000.mcap"), ticks(12))


def test_a_file_without_a_readable_beginning_is_set_aside_and_the_episode_written_anew(
    rig: Rig, tmp_path: Path
) -> None:
    path = tmp_path / "episode_000000.mcap"
    partial(path).write_bytes(b"\x89MCAP0\r\n torn")
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    rig.scribe.finish(Finish(5, "success", "success", 5))
    same_ticks(read_episode(path), ticks(5))
    (note,) = rig.heard(NoteMessage)
    assert "episode_000000.damaged is set aside: an MCAP file, but it does not begin" in str(note)


def test_what_is_damaged_is_left_for_a_person_to_see(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, start())
    fill(writer, ticks(15))
    writer.close()
    flip(partial(path), scan(partial(path).read_bytes()).ticks[0].start + 100)
    before = partial(path).read_bytes()
    (note,) = Rig(tmp_path).replies
    assert "stays unfinished" in str(note)
    assert partial(path).read_bytes() == before
    assert Rig(tmp_path, tidy=False).replies == []


def test_closing_completes_what_is_open_and_nothing_else(rig: Rig, tmp_path: Path) -> None:
    rig.scribe.close("control lost")
    rig.scribe.begin(Begin(0, {}))
    rig.scribe.close("control lost")
    assert not list(tmp_path.glob("episode*"))
    rig.feed(5)
    rig.scribe.close("control lost")
    assert read_episode(tmp_path / "episode_000000.mcap").end == End(
        "unlabelled", "interrupted", 5, detail="control lost"
    )


def test_a_disk_that_fails_at_the_very_end_leaves_one_ending_and_no_success(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    fsync, path = os.fsync, tmp_path / "episode_000000.mcap"

    def fail_once(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail_once)
    rig.scribe.finish(Finish(5, "success", "success", 5))
    assert verify(path) == []
    assert path.read_bytes().count(b"leash.end") == 2, "once in the data, once in the index"
    assert read_episode(path).end == End("unlabelled", "fault", 5, detail="disk failed: Input/output error")
    assert rig.heard(EpisodeFailed) == [EpisodeFailed(0, f"cannot write to {tmp_path}: Input/output error")]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_folder_completes_episodes_all_the_same(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    rig.scribe.begin(Begin(0, {}))
    rig.feed(5)
    rig.scribe.finish(Finish(5, "success", "success", 5))
    assert read_episode(tmp_path / "episode_000000.mcap").outcome == "success"
    assert not rig.heard(EpisodeFailed)


def test_a_backlog_is_flushed_in_groups_of_a_megabyte(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_scribe, "GROUP", 5000)
    rig.scribe.begin(Begin(0, {}))
    rig.scribe.due(1e9)
    rig.feed(5)
    rig.scribe.due(1e9)
    assert rig.heard(Safe)[-1] == Safe(4)


def test_an_episode_whose_clock_was_told_by_the_session_keeps_that_time(rig: Rig, tmp_path: Path) -> None:
    rig.scribe.begin(Begin(0, {}, "its own", "2026-01-01T00:00:00.000+00:00", 17))
    rig.feed(2)
    rig.scribe.finish(Finish(2, "success", "success", 2))
    begun = read_episode(tmp_path / "episode_000000.mcap").start
    assert (begun.id, begun.clock_offset, begun.created) == ("its own", 17, "2026-01-01T00:00:00.000+00:00")
