"""Frames are decoded once, to the size asked for, and a hostile or torn file is never believed."""

from pathlib import Path

import numpy as np
import pytest

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.frame_cache import LARGEST, ImageCache, decode
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import EpisodeError
from support.recording.recordings import fill, frame, record, start, ticks


def test_frames_come_in_the_size_asked_for_and_in_order(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    images = ImageCache(tmp_path, (12, 16)).images(episode, "head")
    assert images.shape == (23, 12, 16, 3)
    assert images.dtype == np.uint8
    shades = images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shades, 5 * np.arange(23), atol=2)
    assert not images.flags.writeable


def test_some_frames_are_read_from_the_disk_in_any_order(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    cache = ImageCache(tmp_path, (12, 16))
    stored, whole = cache.stored(episode, "head"), cache.images(episode, "head")
    np.testing.assert_array_equal(stored.read([22, 0, 0, 7]), whole[[22, 0, 0, 7]])
    assert stored.read([]).shape == (0, 12, 16, 3)
    with pytest.raises(IndexError, match="frame 23 of 23"):
        stored.read([23])


def test_a_cache_that_vanishes_or_is_cut_while_it_is_read_is_said(tmp_path: Path) -> None:
    stored = ImageCache(tmp_path, (12, 16)).stored(read_episode(record(tmp_path)), "head")
    stored.path.write_bytes(stored.path.read_bytes()[:-1])
    with pytest.raises(EpisodeError, match="was cut while it was read; start again"):
        stored.read([22])
    stored.path.unlink()
    with pytest.raises(EpisodeError, match="cannot read .*npy: No such file or directory; start again"):
        stored.read([0])


def test_a_folder_that_takes_no_cache_is_one_line(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(EpisodeError, match=r"cannot keep decoded frames in .*cache: .*; make it writable"):
        ImageCache(tmp_path, (12, 16)).images(episode, "head")


def test_red_stays_red() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[..., 0] = 255
    small = decode(Image(0.0, rgb=rgb).jpeg, (8, 8))
    assert small[..., 0].min() > 240
    assert small[..., 1:].max() < 15


@pytest.mark.parametrize("size", [(24, 32), (12, 16), (6, 8), (3, 4), (5, 7), (48, 64)])
def test_shrinking_while_decoding_gives_the_same_picture(size: tuple[int, int]) -> None:
    assert decode(frame(0.0, 130).jpeg, size).shape == (*size, 3)
    assert abs(decode(frame(0.0, 130).jpeg, size).mean() - 130) < 2


def test_the_second_look_does_not_decode_again(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    cache = ImageCache(tmp_path, (6, 8))
    cache.images(episode, "tail")
    (file,) = (tmp_path / "cache").iterdir()
    written = file.stat().st_mtime_ns
    assert cache.images(episode, "tail").shape == (11, 6, 8, 3)
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "junk", [b"", b"\x93NUMPY", b"no array at all", None], ids=["empty", "torn", "foreign", "other"]
)
def test_a_cache_file_that_a_crash_or_somebody_spoiled_is_made_again(tmp_path: Path, junk: bytes | None) -> None:
    episode = read_episode(record(tmp_path))
    cache = ImageCache(tmp_path, (6, 8))
    cache.images(episode, "head")
    (file,) = (tmp_path / "cache").iterdir()
    if junk is None:
        np.save(file, np.zeros((2, 6, 8, 3), np.uint8))
    else:
        file.write_bytes(junk)
    assert cache.images(episode, "head").shape == (23, 6, 8, 3)


def test_another_recording_of_the_same_name_is_decoded_anew(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, (6, 8))
    path = record(tmp_path)
    cache.images(read_episode(path), "head")
    path.unlink()
    record(tmp_path, 9)
    assert len(cache.images(read_episode(path), "head")) == 9


def test_a_camera_without_frames_gives_an_empty_array(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path, 2))
    assert ImageCache(tmp_path, (6, 8)).images(episode, "tail").shape == (0, 6, 8, 3)


def test_a_frame_that_is_no_jpeg_names_the_episode_and_the_frame(tmp_path: Path) -> None:
    made = ticks(7)
    made[3].obs.images["head"].jpeg = b"\xff\xd8 not a picture"
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start())
    fill(writer, made)
    writer.finish(End())
    with pytest.raises(EpisodeError, match=r"episode_000000\.mcap, head frame 3: no whole JPEG; discard"):
        ImageCache(tmp_path, (6, 8)).images(read_episode(writer.path), "head")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_frame_that_claims_to_be_enormous_is_not_decoded() -> None:
    jpeg = bytearray(frame(0.0, 1).jpeg)
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = (60000).to_bytes(2) + (60000).to_bytes(2)
    with pytest.raises(EpisodeError, match=f"60000x60000 pixels; at most {LARGEST}"):
        decode(bytes(jpeg), (6, 8))


def test_a_jpeg_whose_inside_is_garbage_is_refused() -> None:
    header = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00"
    with pytest.raises(EpisodeError, match="cannot be decoded"):
        decode(header + b"\xff\xd9", (6, 8))
