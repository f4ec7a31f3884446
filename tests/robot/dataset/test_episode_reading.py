"""What was recorded comes back, number for number; what is damaged is refused, never guessed."""

import logging
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from leash_robot.robot.dataset.episode import list_episodes, load_dataset, read_episode
from leash_robot.robot.dataset.mcap import records as mcap
from leash_robot.robot.dataset.mcap.records import Chunk, Message
from leash_robot.robot.dataset.mcap.scan import TICKS, scan
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial, preamble
from leash_robot.robot.dataset.metadata import End, Outcome, _check, pack_facts, unpack_facts
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.errors import EpisodeError
from support.recording.episodes import same_ticks
from support.recording.recordings import blind_spec, fill, flip, record, small_spec, start, ticks

SOME_OUTCOMES: tuple[Outcome, ...] = ("success", "discarded", "failure", "unlabelled")


def test_every_number_of_every_tick_comes_back(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    same_ticks(episode, ticks(23))
    assert list(episode.number) == list(range(23))
    assert episode.outcome == "success"
    assert episode.end == End("success", ticks=23)
    assert episode.start == start()
    assert episode.spec == small_spec()
    assert episode.names == small_spec().names
    assert episode.seconds == pytest.approx(23 * 0.05)
    assert episode.joint_pos.flags.c_contiguous


def test_each_tick_finds_the_frame_that_it_saw(tmp_path: Path) -> None:
    episode, made = read_episode(record(tmp_path)), ticks(23)
    for name in ("head", "tail"):
        images = list(episode.frames(name))
        times = episode.image_times(name)
        assert [image.time for image in images] == list(times)
        assert len(times) == {"head": 23, "tail": 11}[name]
        for one, index in zip(made, episode.image_index(name), strict=True):
            if name in one.obs.images:
                assert images[index].jpeg == one.obs.images[name].jpeg
                assert images[index].time == pytest.approx(one.obs.images[name].time, abs=1e-9)
            else:
                assert index == -1


def test_a_camera_that_was_not_recorded_is_named_in_the_error(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    with pytest.raises(EpisodeError, match=r"no camera 'nose', only \['head', 'tail'\]"):
        episode.image_index("nose")


def test_a_damaged_frame_is_refused_when_the_frames_are_asked_for(tmp_path: Path) -> None:
    path = record(tmp_path)
    place = scan(path.read_bytes()).views[1].start
    flip(path, place + 500)
    episode = read_episode(path)
    same_ticks(episode, ticks(23))
    with pytest.raises(EpisodeError, match=rf"mcap: damaged at byte {place}: a chunk"):
        episode.image_times("head")


def test_an_empty_episode_is_read(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path, 0))
    assert len(episode) == 0
    assert episode.seconds == 0.0
    assert episode.joint_pos.shape == (0, 12)


def test_every_truncation_of_a_finished_file_is_refused_and_of_an_unfinished_one_is_a_prefix(tmp_path: Path) -> None:
    data = record(tmp_path, 12, blind_spec()).read_bytes()
    made = ticks(12, blind_spec())
    whole, torn = tmp_path / "cut.mcap", tmp_path / "cut.mcap.partial"
    lengths = set()
    edges = {
        edge
        for block in mcap.blocks(data, 8)
        for near in range(-3, 4)
        for edge in (block.start + near, block.stop + near)
    }
    for length in sorted({*range(0, len(data), 211), *edges} & set(range(len(data)))):
        whole.write_bytes(data[:length])
        with pytest.raises(EpisodeError):
            read_episode(whole)
        torn.write_bytes(data[:length])
        try:
            episode = read_episode(torn)
        except EpisodeError:
            assert length < len(preamble(start(blind_spec())))
            continue
        same_ticks(episode, made[: len(episode)])
        lengths.add(len(episode))
    assert lengths == {0, 5, 10, 12}


def test_no_flipped_bit_goes_unnoticed_and_none_changes_a_tick(tmp_path: Path) -> None:
    path = record(tmp_path, 7, blind_spec())
    data = path.read_bytes()
    clean = read_episode(path)
    random = np.random.default_rng(1)
    heads = [
        place
        for block in mcap.blocks(data, 8)
        for place in range(block.start, min(block.stop, block.start + (50 if block.stop < 18000 else 12)))
    ]
    for byte in sorted({*range(0, len(data), 83), *heads}):
        path.write_bytes(data)
        flip(path, byte, int(random.integers(8)))
        try:
            assert verify(path), f"a flipped bit in byte {byte} went unnoticed"
            episode = read_episode(path)
        except EpisodeError as error:
            assert "\n" not in str(error)
            continue
        np.testing.assert_array_equal(episode.joint_pos, clean.joint_pos)
        np.testing.assert_array_equal(episode.sent.joint_pos, clean.sent.joint_pos)


@given(junk=st.binary(max_size=300), magic=st.booleans())
@settings(max_examples=100, deadline=None)
def test_arbitrary_bytes_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, magic: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "episode_000000.mcap"
    path.write_bytes(mcap.MAGIC * magic + junk)
    with pytest.raises(EpisodeError) as caught:
        read_episode(path)
    assert "\n" not in str(caught.value)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_beginning_followed_by_arbitrary_records_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "episode_000001.mcap.partial"
    records = data.draw(st.lists(st.tuples(st.sampled_from(list(mcap.Op)), st.binary(max_size=80)), max_size=6))
    path.write_bytes(preamble(start(blind_spec())) + b"".join(mcap.record(op, body) for op, body in records))
    assert len(read_episode(path)) == 0
    assert verify(path)


def chunk_of(*data: bytes) -> bytes:
    return Chunk([Message(TICKS, 0, 1, 1, one) for one in data]).encode()


@pytest.mark.parametrize("kind", ["short", "source", "camera", "inner"])
def test_a_forged_chunk_with_a_valid_checksum_is_refused(tmp_path: Path, kind: str) -> None:
    spec = small_spec()
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start())
    row = bytearray(writer.layout.pack(0, ticks(1)[0], tuple(spec.cameras)))
    if kind == "source":
        place = dict(writer.layout.dtype.fields or {})["wanted"][1]
        row[place + 1] = 200
    head = partial(writer.path).read_bytes()
    writer.discard()
    if kind == "camera":
        forged = Chunk([Message(99, 0, 1, 1, b"")]).encode()
    elif kind == "inner":
        body = mcap.record(mcap.Op.MESSAGE, mcap.MESSAGE_HEAD.pack(2, 0, 1, 1)) + b"\x05" + struct.pack("<Q", 1 << 40)
        crc = zlib.crc32(body)
        forged = mcap.record(mcap.Op.CHUNK, mcap.CHUNK_HEAD.pack(1, 1, len(body), crc, 0, len(body)), body)
    else:
        forged = chunk_of(bytes(row[: 100 if kind == "short" else len(row)]))
    path = tmp_path / "episode_000001.mcap.partial"
    path.write_bytes(head + forged)
    assert verify(path)[0].what
    with pytest.raises(EpisodeError):
        read_episode(path).image_times("head")


def test_a_compressed_chunk_is_not_taken_for_ours(tmp_path: Path) -> None:
    body = mcap.record(mcap.Op.MESSAGE, mcap.MESSAGE_HEAD.pack(TICKS, 0, 1, 1), b"x" * 50)
    forged = mcap.record(mcap.Op.CHUNK, mcap.CHUNK_HEAD.pack(1, 1, len(body), 0, 4, len(body)), body)
    path = tmp_path / "episode_000000.mcap.partial"
    path.write_bytes(preamble(start()) + forged)
    assert scan(path.read_bytes()).faults[0].what == "a chunk that does not match its checksum"


def test_a_chunk_without_messages_is_a_fault(tmp_path: Path) -> None:
    empty = mcap.record(mcap.Op.CHUNK, mcap.CHUNK_HEAD.pack(0, 0, 0, 0, 0, 0))
    assert scan(preamble(start()) + empty).faults[0].what == "a chunk without messages"


def test_an_mcap_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    path.write_bytes(mcap.MAGIC + mcap.header("ros2", "other") + mcap.schema(1, "a", "b", b""))
    with pytest.raises(EpisodeError, match="does not begin like an episode"):
        read_episode(path)
    path.write_bytes(mcap.MAGIC + mcap.header("ros2", "other") + mcap.metadata("other", {"a": "b"}))
    with pytest.raises(EpisodeError, match="does not begin like an episode"):
        read_episode(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"cannot read .*nothing\.mcap: No such file"):
        read_episode(tmp_path / "nothing.mcap")
    with pytest.raises(EpisodeError, match="cannot read"):
        verify(tmp_path / "nothing.mcap")


def test_facts_with_a_matching_checksum_that_say_nonsense_are_refused() -> None:
    facts = pack_facts(End())
    assert unpack_facts(facts, End) == End()
    assert unpack_facts(facts | {"outcome": "failure"}, End) is None
    for name, text in (("ticks", "many"), ("ticks", '"many"'), ("outcome", "splendid")):
        rest = {key: value for key, value in (facts | {name: text}).items() if key != "check"}
        forged = rest | {"check": _check(rest)}
        with pytest.raises(EpisodeError, match="another version"):
            unpack_facts(forged, End)


def test_a_folder_is_read_in_order_and_what_is_damaged_or_discarded_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index, outcome in enumerate(SOME_OUTCOMES):
        record(tmp_path, 6, blind_spec(), index, outcome)
    damaged = tmp_path / "episode_000002.mcap"
    flip(damaged, scan(damaged.read_bytes()).ticks[0].start + 100)
    with caplog.at_level(logging.WARNING, "leash.episode"):
        loaded = load_dataset(tmp_path)
    assert [episode.start.index for episode in loaded] == [0, 3]
    assert "episode_000002.mcap is damaged, at byte" in caplog.text
    assert [episode.start.index for episode in load_dataset(str(tmp_path), outcomes=["discarded"])] == [1]
    assert len(load_dataset([tmp_path / "episode_000000.mcap"])) == 1


def test_a_folder_without_usable_episodes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="no episode of outcome"):
        load_dataset(tmp_path)
    with pytest.raises(EpisodeError, match="not a folder"):
        list_episodes(tmp_path / "nothing")


def test_episodes_of_two_bodies_do_not_make_a_data_set(tmp_path: Path) -> None:
    record(tmp_path, 3, blind_spec(), 0)
    record(tmp_path, 3, replace(blind_spec(), rate=50.0), 1)
    with pytest.raises(EpisodeError, match="at 50 Hz"):
        load_dataset(tmp_path)


def test_a_file_with_fewer_ticks_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, start())
    fill(writer, ticks(5))
    writer.ticks = 9
    writer.finish(End())
    with pytest.raises(EpisodeError, match="5 of its 9 ticks"):
        read_episode(path)
    assert "5 of its 9 ticks" in verify(path)[0].what


def test_a_file_that_was_only_renamed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, start())
    fill(writer, ticks(5))
    writer.close()
    shutil.move(partial(path), path)
    with pytest.raises(EpisodeError, match="never finished"):
        read_episode(path)
