"""Cameras: sources, the process that serves them, and the memory between it and the loop."""

import contextlib
import http.server
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.cameras import camera as camera_module
from leash_robot.robot.cameras.camera import open_camera, read_burned
from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.cameras.jpeg import jpeg_size
from leash_robot.robot.cameras.mjpeg import HEADERS, LARGEST, Mjpeg, capture_time
from leash_robot.robot.cameras.shared_frame import HEAD, SLOTS, Condition, FrameMemory, SharedFrameState, Stored
from leash_robot.robot.cameras.sources import (
    MJPG,
    CameraDevice,
    Capture,
    Film,
    check_source,
    configure,
    device_path,
    open_source,
)
from leash_robot.robot.cameras.synthetic import Faults, Synthetic, burn, parse_synthetic
from leash_robot.robot.cameras.worker import FROZEN_FRAMES, Job, command, fitted, main, serve
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec
from support.camera_streams import SPEC, FakeCapture, Reply, part, picture, server, stream, until

# --- JPEG ---------------------------------------------------------------------------------------------------------


@given(width=st.integers(1, 300), height=st.integers(1, 300), padding=st.integers(0, 9))
def test_the_size_of_a_jpeg_is_read_from_its_header(width: int, height: int, padding: int) -> None:
    assert jpeg_size(picture(width, height).jpeg + b"\0" * padding) == (height, width)


@given(st.data())
def test_a_jpeg_that_is_cut_off_anywhere_is_no_jpeg(data: st.DataObject) -> None:
    whole = picture().jpeg
    assert jpeg_size(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"\xff\xd8junkjunkjunk\xff\xd9", b"PNG" + b"\0" * 20])
def test_other_bytes_are_no_jpeg(data: bytes) -> None:
    assert jpeg_size(data) is None


# --- burned frames ------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    frame=st.integers(0, 2**32 - 1),
    when=st.floats(0, 1e8),
    width=st.integers(112, 640),
    height=st.integers(64, 480),
    quality=st.integers(50, 100),
)
def test_a_burned_frame_is_read_back_through_a_jpeg(
    frame: int, when: float, width: int, height: int, quality: int
) -> None:
    drawn = burn(np.full((height, width, 3), 100, np.uint8), frame, when)
    encoded = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    number, taken = read_burned(Image(0.0, jpeg=encoded.tobytes()).rgb)
    assert number == frame
    assert taken == pytest.approx(when, abs=1e-6)


def test_a_frame_without_a_barcode_is_refused() -> None:
    for shade in (0, 128, 255):
        with pytest.raises(CameraError, match="no whole barcode in this 160x120 frame"):
            read_burned(picture(shade=shade).rgb)


def test_one_wrong_cell_is_noticed() -> None:
    drawn = burn(np.zeros((120, 280, 3), np.uint8), 5, 12.5)
    for column in range(28):
        damaged = drawn.copy()
        damaged[:7, 10 * column : 10 * column + 10] = 255 - damaged[:7, 10 * column : 10 * column + 10]
        with pytest.raises(CameraError):
            read_burned(damaged)


# --- the synthetic camera -----------------------------------------------------------------------------------------


def test_synthetic_takes_size_and_rate_from_the_spec_or_the_source() -> None:
    assert parse_synthetic("synthetic", SPEC) == (SPEC, Faults())
    assert parse_synthetic("synthetic:320x240", SPEC)[0] == CameraSpec(320, 240, 50)
    spec, faults = parse_synthetic("synthetic:320x240@12.5?freeze=3&delay=0.3&drop=0.1&lose=9&seed=2", SPEC)
    assert (spec, faults) == (CameraSpec(320, 240, 12.5), Faults(3, 0.3, 0.1, 9, 2))


@pytest.mark.parametrize(
    "source", ["synthetic:640", "synthetic?freeze", "synthetic?melt=1", "synthetic:8x8", "syntheti"]
)
def test_a_misspelt_synthetic_source_is_refused(source: str) -> None:
    with pytest.raises(CameraError) as error:
        parse_synthetic(source, SPEC)
    assert source in str(error.value)
    assert "\n" not in str(error.value)


def filmed(faults: Faults, slots: int) -> list[Image | None]:
    source = Synthetic(SPEC, faults, VirtualClock(100.0))
    frames = [source.read() for _ in range(slots)]
    source.close()
    return frames


def numbers(frames: Sequence[Image | None]) -> list[int]:
    return [read_burned(image.rgb)[0] for image in frames if image is not None]


def test_synthetic_frames_count_up_at_their_rate_and_carry_their_time() -> None:
    frames = [image for image in filmed(Faults(), 5) if image is not None]
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert [image.time for image in frames] == pytest.approx([100.0, 100.02, 100.04, 100.06, 100.08])
    assert [read_burned(image.rgb)[1] for image in frames] == pytest.approx([image.time for image in frames])


def test_a_frozen_camera_sends_the_same_bytes_at_new_times() -> None:
    frames = [image for image in filmed(Faults(freeze=2), 6) if image is not None]
    assert numbers(frames) == [0, 1, 2, 2, 2, 2]
    assert len({image.jpeg for image in frames[2:]}) == 1
    assert frames[5].time == pytest.approx(100.1)


def test_a_delayed_camera_delivers_late_with_the_true_time() -> None:
    frames = filmed(Faults(delay=0.095), 8)
    assert [image is None for image in frames] == [True] * 5 + [False] * 3
    assert numbers(frames) == [0, 1, 2]


def test_a_dropping_camera_skips_frames() -> None:
    frames = filmed(Faults(drop=0.5), 200)
    assert 60 < len(numbers(frames)) < 140
    assert numbers(frames) == sorted(set(numbers(frames)))


def test_an_unplugged_camera_raises() -> None:
    source = Synthetic(SPEC, Faults(lose=2), VirtualClock())
    source.read()
    source.read()
    with pytest.raises(CameraError, match="unplugged"):
        source.read()


# --- shared memory ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def memory_of(capacity: int) -> Iterator[tuple[FrameMemory, int]]:
    fd = FrameMemory.create(capacity)
    memory = FrameMemory(fd)
    try:
        yield memory, fd
    finally:
        memory.close()
        os.close(fd)


def test_memory_holds_the_newest_frame() -> None:
    with memory_of(1000) as (memory, fd):
        assert memory.read() is None
        for count in range(1, 3 * SLOTS):
            assert memory.write(0.1 * count, b"x" * count)
            assert memory.read() == Stored(count, 0.1 * count, b"x" * count)
        other = FrameMemory(fd)
        assert other.read() == memory.read()
        assert other.count == 3 * SLOTS - 1
        other.close()


def test_a_frame_at_hand_is_kept_until_there_is_a_newer_one() -> None:
    with memory_of(1000) as (memory, _):
        assert memory.newer(None) is None
        memory.write(1.0, b"one")
        one = memory.newer(None)
        assert memory.newer(one) is one
        memory.write(2.0, b"two")
        assert memory.newer(one) == Stored(2, 2.0, b"two")


def test_a_frame_too_large_for_the_memory_changes_nothing() -> None:
    with memory_of(1000) as (memory, _):
        memory.write(1.0, b"one")
        assert memory.write(2.0, b"x" * memory.capacity)
        assert not memory.write(3.0, b"x" * (memory.capacity + 1))
        stored = memory.read()
        assert stored is not None
        assert (stored.count, stored.time) == (2, 2.0)


def test_a_frame_with_one_wrong_bit_is_no_frame() -> None:
    with memory_of(1000) as (memory, fd):
        memory.write(1.0, b"one")
        at = os.pread(fd, HEAD + SLOTS * 1000, 0).index(b"one")
        os.pwrite(fd, b"n", at)
        assert memory.read() is None


@given(st.lists(st.tuples(st.integers(0, HEAD + 4 * 1000 - 1), st.integers(1, 255)), min_size=1, max_size=20))
def test_a_damaged_frame_or_condition_is_never_returned(damage: list[tuple[int, int]]) -> None:
    with memory_of(1000) as (memory, fd):
        written = [Stored(count, float(count), os.urandom(500)) for count in range(1, 4)]
        for stored in written:
            memory.write(stored.time, stored.jpeg)
        memory.describe(Condition(SharedFrameState.FROZEN, "as it was", 7))
        for at, change in damage:
            before = os.pread(fd, 1, at)
            os.pwrite(fd, bytes([before[0] ^ change]), at)
        assert memory.read() in [None, *written]
        assert memory.newer(written[0]) in written
        assert memory.condition in [Condition(), Condition(SharedFrameState.FROZEN, "as it was", 7)]


def test_the_condition_is_told_and_long_messages_are_cut() -> None:
    with memory_of(100) as (memory, _):
        assert memory.condition == Condition(SharedFrameState.OPENING, "", 0)
        memory.describe(Condition(SharedFrameState.LOST, "the camera wént away", 3))
        assert memory.condition == Condition(SharedFrameState.LOST, "the camera wént away", 3)
        memory.describe(Condition(SharedFrameState.LOST, "é" * 5000))
        assert len(memory.condition.message) <= 501


WRITER = """
import sys, zlib
from leash_robot.robot.cameras.shared_frame import FrameMemory
memory, count = FrameMemory(int(sys.argv[1])), 0
while True:
    count += 1
    body = bytes([count % 251]) * (20000 + count // 1000 % 3)
    memory.write(float(count), body)
"""


def test_no_torn_frame_is_ever_read_and_a_killed_writer_leaves_the_last_one() -> None:
    with memory_of(60000) as (memory, fd):
        seen: list[Stored] = []
        with subprocess.Popen([sys.executable, "-c", WRITER, str(fd)], pass_fds=[fd]) as writer:
            while len(seen) < 5000 and writer.poll() is None:
                seen += [stored] if (stored := memory.read()) is not None else []
            writer.kill()
        assert len(seen) == 5000
        for stored in seen:
            assert stored.jpeg == bytes([stored.count % 251]) * (20000 + stored.count // 1000 % 3)
            assert stored.time == float(stored.count)
        assert [stored.count for stored in seen] == sorted(stored.count for stored in seen)
        last = memory.read()
        assert last is not None
        assert last.count in {memory.count, memory.count - 1}


# --- motion JPEG over HTTP ----------------------------------------------------------------------------------------


def test_a_stream_is_read_part_by_part_with_its_capture_times() -> None:
    jpeg, now = picture().jpeg, time.monotonic()
    with server(stream(b"preamble\r\n", part(jpeg, f"X-Capture-Time: {now - 1}"), part(jpeg + b"\0"))) as url:
        source = Mjpeg(url)
        first = source.read()
        assert (first.time, first.jpeg, source.stamped) == (now - 1, jpeg, True)
        second = source.read()
        assert (second.jpeg, source.stamped) == (jpeg + b"\0", False)
        assert now <= second.time <= time.monotonic()
        with pytest.raises(CameraError, match="ended"):
            source.read()
        source.close()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (stream(kind="text/html"), "answers 200 text/html, no stream"),
        (stream(status=404), "answers 404"),
    ],
)
def test_an_answer_that_is_no_stream_is_refused(reply: Reply, message: str) -> None:
    with server(reply) as url, pytest.raises(CameraError, match=message):
        open_source(url, SPEC)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (part(b"x", length=0), "part of length '0'"),
        (part(b"x", length=LARGEST + 1), f"expected 1..{LARGEST} bytes"),
        (part(b"x", length="-5"), "part of length '-5'"),
        (part(b"x", length="\u00b2"), "part of length"),
        (b"--frame\r\n\r\n", "stream.a=1 ended"),
        (b"--frame\r\n\r\n" + b"x" * 1023 * (LARGEST // 1000), "part without length that does not end"),
        (b"--frame\r\n" + b"a" * 2000 + b"\r\n", "header line without end"),
        (part(b"x", *(f"X-{number}: 1" for number in range(HEADERS))), "more than 32 headers"),
    ],
)
def test_a_part_that_makes_no_sense_ends_the_stream(body: bytes, message: str) -> None:
    with server(stream(body)) as url:
        source = Mjpeg(url)
        with pytest.raises(CameraError, match=message):
            source.read()
        source.close()


def test_a_stream_that_falls_silent_is_lost_after_a_second() -> None:
    quiet = threading.Event()

    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        stream()(request)
        quiet.wait()

    with server(reply) as url:
        source = Mjpeg(url)
        with pytest.raises(CameraError, match="stopped: timed out"):
            source.read()
        source.close()
        quiet.set()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://127.0.0.1:99999/"])
def test_an_address_where_nobody_answers_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(CameraError) as error:
        Mjpeg(url)
    assert url in str(error.value)


def test_a_reset_connection_has_a_reason() -> None:
    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        request.connection.close()

    with server(reply) as url, pytest.raises(CameraError, match="no camera answers at"):
        Mjpeg(url)


@given(st.floats(1000, 1e6), st.floats(-100, 100))
def test_only_capture_times_of_this_machine_are_believed(now: float, age: float) -> None:
    stated = now - age
    assert capture_time(str(stated), now) == (stated if now - 10.0 <= stated <= now else None)


@pytest.mark.parametrize("header", ["", "soon", "nan", "inf"])
def test_a_capture_time_that_is_no_number_is_not_believed(header: str) -> None:
    assert capture_time(header, 5.0) is None


# --- devices and films --------------------------------------------------------------------------------------------


def test_a_device_hands_out_pixels_or_jpeg_with_its_own_capture_time() -> None:
    bgr = picture(shade=10).rgb.copy()
    bgr[..., 0] = 200
    jpeg = picture().jpeg
    taken = time.monotonic() - 0.5
    capture = FakeCapture([bgr, np.frombuffer(jpeg, np.uint8)[None, :]], 1e3 * taken)
    device = CameraDevice(capture, "/dev/video0")
    first, second = device.read(), device.read()
    assert first.rgb[0, 0].tolist() == [10, 10, 200]
    assert second.jpeg == jpeg
    assert second.time == pytest.approx(taken)
    with pytest.raises(CameraError, match="/dev/video0 stopped delivering"):
        device.read()
    device.close()
    assert capture.released


def test_a_device_without_a_clock_is_stamped_on_arrival() -> None:
    before = time.monotonic()
    image = CameraDevice(FakeCapture([picture().rgb]), "camera").read()
    assert before <= image.time <= time.monotonic()


@pytest.mark.parametrize("agrees", [True, False])
def test_a_device_is_asked_for_motion_jpeg_and_raw_bytes_only_if_it_agrees(agrees: bool) -> None:
    capture = FakeCapture([picture().rgb], agrees=agrees)
    configure(capture, SPEC)
    expected = {
        cv2.CAP_PROP_FOURCC: MJPG,
        cv2.CAP_PROP_FRAME_WIDTH: 160,
        cv2.CAP_PROP_FRAME_HEIGHT: 120,
        cv2.CAP_PROP_FPS: 50,
        cv2.CAP_PROP_BUFFERSIZE: 2,
        cv2.CAP_PROP_CONVERT_RGB: 0,
    }
    assert capture.settings == {cv2.CAP_PROP_POS_MSEC: 0.0} | (expected if agrees else {})


def test_opencv_fits_the_part_of_it_that_is_used() -> None:
    capture: Capture = cv2.VideoCapture()
    assert not capture.isOpened()


def test_a_number_is_a_device() -> None:
    assert device_path("3") == "/dev/video3"
    assert device_path("film.mp4") == "film.mp4"


@pytest.mark.parametrize("source", ["/dev/video97", "97", "no such film.mp4"])
def test_a_source_that_does_not_exist_is_refused_with_what_does(source: str) -> None:
    with pytest.raises(CameraError) as error:
        open_camera(source, SPEC)
    message = str(error.value)
    assert source in message
    assert "devices here: " in message
    assert "\n" not in message


def test_sources_that_may_exist_pass_the_check(tmp_path: Path) -> None:
    for source in ("synthetic", "http://10.0.0.1/", str(tmp_path)):
        check_source(source, SPEC)


@pytest.mark.parametrize("source", ["/dev/null", "rtsp://127.0.0.1:1/stream"])
def test_what_does_not_open_as_a_camera_says_so(source: str) -> None:
    with pytest.raises(CameraError, match=f"cannot open the camera {source}"):
        open_source(source, SPEC)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three frames of different brightness at 25 a second."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), MJPG, 25, (160, 120))
    for shade in (20, 120, 220):
        writer.write(np.full((120, 160, 3), shade, np.uint8))
    writer.release()
    return path


def brightness(image: Image) -> int:
    return 10 * round(float(image.rgb.mean()) / 10)


def test_a_film_is_played_at_its_rate_over_and_over(film: Path) -> None:
    source = Film(str(film), SPEC, VirtualClock(50.0))
    images = [source.read() for _ in range(7)]
    source.close()
    assert [brightness(image) for image in images] == [20, 120, 220, 20, 120, 220, 20]
    assert [image.time for image in images] == pytest.approx([50.0 + 0.04 * frame for frame in range(7)])


def test_a_file_that_is_no_film_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.avi"
    path.write_text("no film")
    source = open_source(str(path), SPEC)
    with pytest.raises(CameraError, match=r"notes\.avi is no video"):
        source.read()
    source.close()


# --- the camera process, from inside ------------------------------------------------------------------------------


class Reel:
    """A source that hands out given images, then ends the serving."""

    def __init__(self, images: Sequence[Image | None], stop: threading.Event, *, stamped: bool = False) -> None:
        self.stamped = stamped
        self._images = list(images)
        self._stop = stop
        self.closed = False

    def read(self) -> Image | None:
        if len(self._images) == 1:
            self._stop.set()
        return self._images.pop(0)

    def close(self) -> None:
        self.closed = True


def served(images: Sequence[Image | None], *, stamped: bool = False) -> tuple[int, Condition]:
    stop = threading.Event()
    reel = Reel(images, stop, stamped=stamped)
    with memory_of(100_000) as (memory, _):
        serve(lambda: reel, SPEC, memory, stop)
        assert reel.closed
        return memory.count, memory.condition


def test_frames_are_served_and_nothing_is_no_frame() -> None:
    assert served([picture(), None, picture(shade=5)]) == (2, Condition(SharedFrameState.LIVE))


def test_a_camera_that_repeats_itself_is_frozen_until_it_moves() -> None:
    same = Image(1.0, jpeg=picture().jpeg)
    assert served([same] * (FROZEN_FRAMES - 1))[1].state is SharedFrameState.LIVE
    assert served([same] * FROZEN_FRAMES)[1].state is SharedFrameState.FROZEN
    assert served([*[same] * FROZEN_FRAMES, picture(shade=5)])[1].state is SharedFrameState.LIVE


def test_a_still_scene_of_a_camera_that_stamps_its_frames_is_not_frozen() -> None:
    assert served([picture()] * 9, stamped=True)[1].state is SharedFrameState.LIVE


def test_damaged_and_oversized_frames_are_dropped_and_counted() -> None:
    cut = Image(1.0, jpeg=picture().jpeg[:-5])
    noise: Pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    stop = threading.Event()
    with memory_of(2000) as (memory, _):
        serve(lambda: Reel([picture(), cut, Image(1.0, rgb=noise)], stop), SPEC, memory, stop)
        assert (memory.count, memory.condition.dropped) == (1, 2)


def test_a_frame_of_the_right_size_is_passed_on_untouched_and_another_is_resized() -> None:
    right, wrong = Image(1.0, jpeg=picture().jpeg), picture(320, 200)
    assert fitted(right, SPEC) is right.jpeg
    resized = fitted(wrong, SPEC)
    assert resized is not None
    assert jpeg_size(resized) == (120, 160)
    assert fitted(Image(1.0, jpeg=b"junk"), SPEC) is None


def test_a_camera_that_cannot_be_opened_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leash_robot.robot.cameras.worker.RETRY", 0.001)
    stop, tries, seen = threading.Event(), [1, 2, 3], list[Condition]()

    with memory_of(100_000) as (memory, _):

        def opener() -> Reel:
            seen.append(memory.condition)
            if tries:
                raise CameraError(f"no camera, try {tries.pop(0)}")
            return Reel([picture()], stop)

        serve(opener, SPEC, memory, stop)
        assert memory.condition == Condition(SharedFrameState.LIVE)
    assert [condition.message for condition in seen] == ["", "no camera, try 1", "no camera, try 2", "no camera, try 3"]
    assert {condition.state for condition in seen[1:]} == {SharedFrameState.LOST}


def test_the_process_serves_until_its_input_ends() -> None:
    with memory_of(100_000) as (memory, fd):
        read, write = os.pipe()
        args = [msgspec.json.encode(Job(fd, "synthetic", SPEC)).decode()]
        with os.fdopen(read, "rb") as stdin:
            thread = threading.Thread(target=main, args=(args, stdin))
            thread.start()
            while memory.count < 3:
                assert thread.is_alive()
            os.close(write)
            thread.join(timeout=10)
        assert not thread.is_alive()
        assert memory.condition.state is SharedFrameState.LIVE


def test_the_process_ends_at_once_when_its_input_has_ended() -> None:
    with memory_of(100_000) as (_, fd):
        args = command(Job(fd, "synthetic", SPEC))[-1:]
        assert json.loads(args[0])["source"] == "synthetic"
        assert main(args, io.BytesIO()) == 0


# --- the camera process, from outside -----------------------------------------------------------------------------


def test_a_camera_delivers_its_newest_frame() -> None:
    with open_camera("synthetic", SPEC, nice=1) as camera:
        first = camera.latest()
        assert first is not None
        assert first is camera.latest() or camera.status.frames > 1
        frame, when = read_burned(first.rgb)
        assert when == pytest.approx(first.time, abs=1e-6)
        while (later := camera.latest()) is first:
            time.sleep(0.001)
        assert later is not None
        assert read_burned(later.rgb)[0] > frame
        until(camera, "live")
        assert 0 <= camera.status.age < 20


def test_a_camera_process_that_is_killed_is_lost_then_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "RESPAWN", 0.2)
    with open_camera("synthetic", SPEC) as camera:
        killed, frames = camera.pid, camera.status.frames
        os.kill(killed, signal.SIGKILL)
        os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
        monkeypatch.setattr(camera_module, "RESPAWN", 1000)
        lost, image = camera.status, camera.latest()
        assert (lost.state, lost.message) == ("lost", "the process of synthetic ended with -9")
        assert image is camera.latest()
        assert image is not None
        monkeypatch.setattr(camera_module, "RESPAWN", 0.0)
        camera.latest()
        monkeypatch.setattr(camera_module, "RESPAWN", 1000)
        assert camera.pid != killed
        until(camera, "live")
        assert camera.status.frames > frames


def test_an_unplugged_camera_keeps_its_last_frame_and_is_opened_again() -> None:
    with open_camera("synthetic?lose=10", SPEC) as camera:
        until(camera, "lost")
        assert camera.status.message == "the synthetic camera was unplugged"
        image = camera.latest()
        assert image is not None
        assert read_burned(image.rgb)[0] == 9
        until(camera, "live")


def test_a_frozen_camera_is_called_so() -> None:
    with open_camera("synthetic?freeze=3", SPEC) as camera:
        until(camera, "frozen")
        image = camera.latest()
        assert image is not None
        assert read_burned(image.rgb)[0] == 3


def test_a_delayed_camera_is_stale() -> None:
    with open_camera("synthetic?delay=0.5", SPEC) as camera:
        until(camera, "stale")
        assert camera.status.age > 0.2


def test_a_slow_camera_is_not_stale_between_its_frames() -> None:
    with open_camera("synthetic:160x120@2", CameraSpec(160, 120, 2)) as camera:
        seen = set()
        while camera.status.frames < 3:
            seen.add(camera.status.state)
        assert seen == {"live"}


def test_a_camera_that_does_not_open_raises_on_entering() -> None:
    with pytest.raises(CameraError, match=r"no camera answers at http://127\.0\.0\.1:1/"):
        open_camera("http://127.0.0.1:1/", SPEC).__enter__()


def test_a_camera_that_opens_but_never_delivers_raises_on_entering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "PATIENCE", 0.0)
    with pytest.raises(CameraError, match="delivered no frame"):
        open_camera("synthetic?drop=1", SPEC).__enter__()


def test_a_camera_process_that_hangs_is_killed_on_leaving() -> None:
    with open_camera("synthetic", SPEC) as camera:
        pid = camera.pid
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PARENT = """
import sys
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.spec import CameraSpec
with open_camera("synthetic", CameraSpec(160, 120, 50)) as camera:
    print(camera.pid, flush=True)
    sys.stdin.read()
"""


def test_a_camera_process_does_not_outlive_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert select.select([child], [], [], 10)[0]
    os.close(child)
