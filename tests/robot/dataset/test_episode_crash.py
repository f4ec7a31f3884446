"""What a crash, a power cut or a full disk leaves is taken up again, finished, or repaired; nothing whole is lost."""

import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcap.reader import make_reader

from leash_robot.robot.dataset import folder as episode_folder
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.folder import locked
from leash_robot.robot.dataset.mcap import records as mcap
from leash_robot.robot.dataset.mcap import writer as episode_write
from leash_robot.robot.dataset.mcap.append_only_file import AppendFile
from leash_robot.robot.dataset.mcap.scan import scan
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial, preamble
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.dataset.repair import leftovers, recover, seal
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.errors import EpisodeError
from support.recording.episodes import same_ticks
from support.recording.recordings import blind_spec, fill, flip, record, small_spec, start, ticks


def interrupted(folder: Path, count: int = 23, tail: bytes = b"") -> Path:
    """The final name of an episode whose writer died."""
    path = folder / "episode_000000.mcap"
    writer = EpisodeWriter(path, start())
    fill(writer, ticks(count))
    writer.close()
    with partial(path).open("ab") as file:
        file.write(tail)
    return path


@pytest.mark.parametrize("tail", [b"", b"\0" * 5000, b"\x06garbage" * 9], ids=["clean", "zeros", "garbage"])
def test_an_interrupted_episode_goes_on_where_it_was_flushed(tmp_path: Path, tail: bytes) -> None:
    path = interrupted(tmp_path, 23, tail)
    writer = EpisodeWriter.resume(path)
    assert (writer.ticks, writer.number) == (20, 19)
    fill(writer, ticks(31), first=20)
    writer.finish(End("failure"))
    assert verify(path) == []
    episode = read_episode(path)
    same_ticks(episode, ticks(31))
    assert len(list(episode.frames("head"))) == 31
    with path.open("rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages(topics=["/tick"])) == 31


def test_a_view_chunk_without_its_ticks_does_not_count(tmp_path: Path) -> None:
    path = interrupted(tmp_path, 10)
    blocks = list(mcap.blocks(partial(path).read_bytes(), 8))
    chunks = [block for block in blocks if block.op == mcap.Op.CHUNK]
    os.truncate(partial(path), chunks[-1].start)
    writer = EpisodeWriter.resume(path)
    assert writer.ticks == 5
    fill(writer, ticks(10), first=5)
    writer.finish(End())
    assert len(list(read_episode(path).frames("head"))) == 10


def test_an_episode_without_a_flushed_tick_starts_again_or_goes_away(tmp_path: Path) -> None:
    path = interrupted(tmp_path, 3)
    assert EpisodeWriter.resume(path).ticks == 0
    assert partial(path).read_bytes() == preamble(start())
    assert seal(path, "crash") == 0
    assert list(tmp_path.iterdir()) == []


def test_damage_before_the_cut_is_not_papered_over(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    data = partial(path).read_bytes()
    flip(partial(path), scan(data).ticks[1].start + 200)
    damaged = partial(path).read_bytes()
    with pytest.raises(EpisodeError, match=r"partial is damaged at byte \d+: a chunk"):
        EpisodeWriter.resume(path)
    assert partial(path).read_bytes() == damaged


def test_a_file_of_which_nothing_was_written_is_no_episode(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    partial(path).touch()
    with pytest.raises(EpisodeError, match="not an MCAP file"):
        seal(path, "crash")


def test_sealing_keeps_every_whole_tick_and_says_why_it_ended(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    assert leftovers(tmp_path) == [path]
    assert seal(path, "power cut") == 20
    assert verify(path) == []
    assert read_episode(path).end == End("unlabelled", "interrupted", 20, 0, "power cut")
    assert leftovers(tmp_path) == []


def test_sealing_keeps_the_last_facts_of_an_episode_that_only_lacked_its_name(tmp_path: Path) -> None:
    path = record(tmp_path, 20, outcome="failure")
    path.rename(partial(path))
    assert seal(path, "a crash") == 20
    assert verify(path) == []
    assert read_episode(path).end == End("failure", ticks=20)


def test_sealing_overwrites_no_finished_episode(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    shutil.copy(record(tmp_path / "..", 7, index=9), path)
    assert seal(path, "a crash") == 20
    assert len(read_episode(path)) == 7
    assert len(read_episode(path.with_name("episode_000001.mcap"))) == 20


def test_unfinished_episodes_have_digests_of_their_own_that_change_as_they_grow(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    first = read_episode(partial(path)).digest
    writer = EpisodeWriter.resume(path)
    fill(writer, ticks(31), first=20)
    writer.close()
    assert "" != first != read_episode(partial(path)).digest


class Trace(AppendFile):
    """An AppendFile that remembers what it asked of the disk."""

    log: list[tuple[str, int, bytes]]

    def append(self, data: bytes) -> None:
        self.log.append(("write", self.size, data))
        super().append(data)

    def sync(self) -> None:
        self.log.append(("sync", 0, b""))
        super().sync()

    def rename(self, path: Path) -> None:
        self.log.append(("sync", 0, b""))
        super().rename(path)


def power_cuts(log: list[tuple[str, int, bytes]]) -> Iterator[tuple[bytes, int]]:
    """What may be on the disk after a cut at any moment, and how many bytes were certain to be."""
    for length in range(1, len(log) + 1):
        done = log[:length]
        synced = max((index for index, entry in enumerate(done) if entry[0] == "sync"), default=0)
        safe = b"".join(data for _, _, data in done[:synced])
        loose = [data for kind, _, data in done[synced:] if kind == "write"]
        for kept in itertools.product(("all", "half", "zeros"), repeat=len(loose)):
            parts = [{"all": data, "half": data[: len(data) // 2], "zeros": bytes(len(data))} for data in loose]
            tail = [
                (part[how] if last else part[how].ljust(len(part["all"]), b"\0"))
                for part, how, last in zip(parts, kept, [*[False] * (len(loose) - 1), True], strict=False)
            ]
            yield safe + b"".join(tail), len(safe)
        yield safe, len(safe)


def test_after_a_power_cut_at_any_moment_no_synced_tick_is_lost_and_none_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trace.log = []
    monkeypatch.setattr(episode_write, "AppendFile", Trace)
    spec, made = blind_spec(), ticks(16, blind_spec())
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start(spec))
    for first in range(0, 16, 4):
        fill(writer, made[: first + 4], first=first, group=2)
        writer.sync()
    writer.finish(End())
    monkeypatch.undo()
    path = tmp_path / "episode_000001.mcap"
    seen = set()
    for data, safe in power_cuts(Trace.log):
        partial(path).write_bytes(data)
        try:
            episode = read_episode(partial(path))
        except EpisodeError:
            assert safe < len(preamble(start(spec)))
            continue
        certain = sum(block.stop <= safe for block in scan(data).ticks) * 2
        assert certain <= len(episode)
        same_ticks(episode, [made[number] for number in episode.number])
        seen.add(len(episode))
    assert seen == set(range(0, 17, 2))


def test_a_full_disk_leaves_the_file_as_it_was_and_lets_it_be_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, start())
    fill(writer, ticks(10))
    before = partial(path).read_bytes()
    really = os.pwrite

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        if offset > len(before):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(descriptor, data[:1000], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        fill(writer, ticks(15), first=10)
    assert partial(path).read_bytes() == before
    monkeypatch.undo()
    writer.forget()
    writer.finish(End(reason="disk full"))
    assert verify(path) == []
    same_ticks(read_episode(path), ticks(10))


def test_recovery_saves_everything_but_the_damaged_chunk_and_keeps_the_original(tmp_path: Path) -> None:
    path = record(tmp_path, 23)
    found = scan(path.read_bytes())
    flip(path, found.ticks[1].start + 300)
    damaged = path.read_bytes()
    saved = recover(path)
    assert saved.path == path
    assert saved.ticks == 18
    assert saved.original.read_bytes() == damaged
    assert verify(path) == []
    episode = read_episode(path)
    assert list(episode.number) == [*range(5), *range(10, 23)]
    assert episode.end == End("success", ticks=18, dropped=5)
    same_ticks(episode, [ticks(23)[number] for number in episode.number])
    assert not (tmp_path / ".recovery").exists()


@pytest.mark.parametrize("place", ["length", "view", "index", "end"])
def test_recovery_finds_its_way_again_after_a_broken_record(tmp_path: Path, place: str) -> None:
    path = record(tmp_path, 23)
    data = path.read_bytes()
    found = scan(data)
    indexes = [block for block in mcap.blocks(data, 8) if block.op == mcap.Op.MESSAGE_INDEX]
    byte = {
        "length": found.ticks[1].start + 3,
        "view": found.views[1].start + 500,
        "index": indexes[3].start + 2,
        "end": data.index(b"leash.end") - 13,
    }[place]
    flip(path, byte, 6)
    assert verify(path)
    saved = recover(path)
    assert verify(path) == []
    episode = read_episode(path)
    assert saved.ticks == len(episode) == {"length": 18, "view": 23, "index": 23, "end": 23}[place]
    assert episode.end is not None
    assert episode.end.outcome == ("unlabelled" if place == "end" else "success")
    frames = episode.image_index("head")
    assert (frames >= 0).sum() == {"length": 18, "view": 18, "index": 23, "end": 23}[place]


def test_recovery_of_an_unfinished_episode_gives_it_its_name(tmp_path: Path) -> None:
    path = interrupted(tmp_path, 23, b"torn")
    saved = recover(partial(path))
    assert (saved.path, saved.ticks) == (path, 20)
    assert [file.name for file in (tmp_path / "originals").iterdir()] == ["episode_000000.mcap.partial"]
    assert read_episode(path).end == End(reason="interrupted", ticks=20, detail="recovered")


def test_recovery_does_not_overwrite_another_episode(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    damaged = partial(path).rename(path.with_suffix(".damaged"))
    record(tmp_path)
    before = path.read_bytes()
    with pytest.raises(EpisodeError, match=r"episode_000000\.mcap exists already"):
        recover(damaged)
    assert path.read_bytes() == before


def test_two_originals_of_one_name_are_both_kept(tmp_path: Path) -> None:
    for _ in range(2):
        recover(partial(interrupted(tmp_path)))
        (tmp_path / "episode_000000.mcap").unlink()
    assert len(list((tmp_path / "originals").iterdir())) == 2


def test_recovery_refuses_what_is_whole_empty_or_no_episode(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="there is nothing to recover"):
        recover(record(tmp_path))
    path = tmp_path / "episode_000007.mcap"
    path.write_bytes(preamble(start()))
    with pytest.raises(EpisodeError, match=r"no tick of .* is whole"):
        recover(path)
    assert path.exists()
    path.write_bytes(b"hello")
    with pytest.raises(EpisodeError, match="not an MCAP file"):
        recover(path)
    with pytest.raises(EpisodeError, match="cannot read"):
        recover(tmp_path / "nothing.mcap")


def test_ticks_out_of_order_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    made = ticks(4, small_spec())
    writer = EpisodeWriter(path, start())
    fill(writer, [made[0], made[2], made[1], made[3]])
    writer.finish(End())
    assert [fault.what for fault in verify(path)] == ["the time of tick 2 does not follow that of the one before"]


def test_recovery_keeps_its_hands_off_a_folder_that_somebody_records_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_folder, "PATIENCE", 0.1)
    path = interrupted(tmp_path)
    before = partial(path).read_bytes()
    with locked(tmp_path), pytest.raises(EpisodeError, match=rf"another recorder .* \(process {os.getpid()}\)"):
        recover(partial(path))
    assert partial(path).read_bytes() == before
    assert recover(partial(path)).path == path


def test_an_interrupted_recovery_is_done_again(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    workshop = tmp_path / ".recovery"
    workshop.mkdir()
    (workshop / partial(path).name).touch()
    (workshop / path.name).touch()
    assert recover(partial(path)).path == path
    assert not workshop.exists()


def test_a_recovery_that_the_disk_refuses_is_one_line_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EpisodeError, match=r"cannot recover .*\.partial: No space left on device"):
        recover(partial(path))
    monkeypatch.undo()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", partial(path).name]
    assert recover(partial(path)).path == path
