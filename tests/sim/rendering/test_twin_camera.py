"""Pictures of the twin: what is in them, their capture times, and the stream that carries them."""

import http.client
import os
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.cameras.mjpeg import Mjpeg
from leash_robot.robot.errors import CameraError, RobotError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.mjpeg_server import MjpegStream
from leash_robot.sim.rendering.room import build_scene, planks
from leash_robot.sim.rendering.small_renderer import TinyRenderer
from leash_robot.sim.rendering.twin_camera import Drawn, Renderer
from leash_robot.sim.rendering.twin_camera_server import best_renderer
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

STANDING = np.concatenate([[0.0, 0.0, 0.164, 1.0, 0.0, 0.0, 0.0], load_spec().stand])
PATIENCE = 20.0


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        drawn = Renderer(160, 120)
    except RuntimeError as error:
        pytest.skip(str(error))
    yield drawn
    drawn.close()


@pytest.fixture(params=["gl", "tiny"])
def drawn(request: pytest.FixtureRequest) -> Iterator[Drawn]:
    if request.param == "gl":
        yield request.getfixturevalue("renderer")
        return
    tiny = TinyRenderer()
    yield tiny
    tiny.close()


def turned(yaw: float) -> Array:
    pose = STANDING.copy()
    pose[3:7] = (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
    return pose


def colours(picture: Pixels) -> int:
    """How many clearly different colours there are."""
    return len(np.unique(picture.reshape(-1, 3) // 48, axis=0))


def test_the_head_camera_sees_floor_below_and_coloured_things(drawn: Drawn) -> None:
    picture = drawn.render(STANDING)
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    assert colours(picture) > 10
    red, _, blue = picture[-30:].reshape(-1, 3).mean(axis=0)
    assert red > blue + 20, "the floor is of wood"


def test_turning_and_tilting_the_robot_changes_what_it_sees(drawn: Drawn) -> None:
    ahead, left = drawn.render(STANDING).astype(float), drawn.render(turned(0.5)).astype(float)
    assert np.abs(ahead - left).mean() > 3.0
    np.testing.assert_array_equal(drawn.render(STANDING), ahead)


def test_from_outside_the_robot_is_in_the_middle_wherever_it_is(drawn: Drawn) -> None:
    away = STANDING.copy()
    away[:2] = (1.0, -0.7)
    for pose in (STANDING, away):
        centre = drawn.render(pose, "chase")[45:90, 50:110].reshape(-1, 3)
        assert (centre.max(axis=1) < 70).mean() > 0.05, "its motors are dark"


def test_a_fine_picture_has_a_true_shadow(renderer: Renderer) -> None:
    fine = Renderer(160, 120, fine=True)
    picture = fine.render(STANDING, "chase")
    fine.close()
    assert np.abs(picture.astype(float) - renderer.render(STANDING, "chase")).mean() > 0.5


def test_without_opengl_the_plain_renderer_takes_over(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    plain = best_renderer()
    assert isinstance(plain, TinyRenderer)
    plain.close()
    assert "no libEGL; no libOSMesa" in capfd.readouterr().err


def test_a_library_that_does_not_work_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError(f"{name} cannot be used")

    monkeypatch.setattr("ctypes.util.find_library", lambda name: name)
    monkeypatch.setattr("importlib.import_module", broken)
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    with pytest.raises(RuntimeError, match=r"mujoco\.osmesa cannot be used.*install"):
        Renderer(64, 64)


def test_the_floor_repeats_without_a_seam() -> None:
    floor = planks().astype(float)
    inside = np.abs(np.diff(floor, axis=1)).mean()
    assert np.abs(floor[:, 0] - floor[:, -1]).mean() < 4 * inside


def test_the_scene_is_the_same_robot() -> None:
    scene = build_scene()
    assert scene.body_subtreemass[scene.body("body").id] == pytest.approx(2.135)


@pytest.fixture
def stream() -> Iterator[MjpegStream]:
    opened = MjpegStream()
    yield opened
    opened.close()


def feed(stream: MjpegStream, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(0.01):
        number += 1
        stream.put(time.monotonic(), Image(0.0, rgb=np.full((24, 32, 3), number % 256, np.uint8)).jpeg)


@pytest.fixture
def fed(stream: MjpegStream) -> Iterator[MjpegStream]:
    stop = threading.Event()
    feeder = threading.Thread(target=feed, args=(stream, stop))
    feeder.start()
    yield stream
    stop.set()
    feeder.join()


def test_several_clients_each_get_frames_with_their_capture_times(fed: MjpegStream) -> None:
    clients = [Mjpeg(fed.url) for _ in range(3)]
    for client in clients:
        times = [client.read().time for _ in range(5)]
        assert client.stamped
        assert times == sorted(set(times))
    for client in clients:
        client.close()
    wait_for(lambda: not fed.wanted(0.0))


def test_the_parts_have_the_headers_that_were_agreed(fed: MjpegStream) -> None:
    with urllib.request.urlopen(fed.url, timeout=PATIENCE) as response:
        assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        assert response.readline() == b"--frame\r\n"
        head = {response.readline().split(b":")[0] for _ in range(3)}
        assert head == {b"Content-Type", b"Content-Length", b"X-Capture-Time"}
        assert response.readline() == b"\r\n"
        assert response.read(2) == b"\xff\xd8"


def test_opencv_opens_the_stream(fed: MjpegStream) -> None:
    capture = cv2.VideoCapture(fed.url)
    assert capture.isOpened()
    read, picture = capture.read()
    capture.release()
    assert read
    assert picture.shape == (24, 32, 3)


def test_a_client_starts_with_a_frame_newer_than_itself(stream: MjpegStream) -> None:
    stream.put(1.0, b"old")
    number = stream.join(1)
    assert stream.wanted(0.0)
    stream.put(2.0, b"new")
    frame = stream.after(number)
    assert frame is not None
    assert frame.jpeg == b"new"
    stream.join(-1)
    assert not stream.wanted(0.0)


def test_any_other_path_is_not_found(stream: MjpegStream) -> None:
    parts = urllib.parse.urlsplit(stream.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    connection.request("GET", "/secrets")
    assert connection.getresponse().status == 404
    connection.close()


def test_closing_hangs_up_on_clients() -> None:
    stream = MjpegStream()
    client = Mjpeg(stream.url)
    wait_for(lambda: stream.wanted(0.0))
    stream.close()
    with pytest.raises(CameraError):
        client.read()
    client.close()


def test_the_twins_camera_shows_it_moving_and_ends_with_it() -> None:
    with TwinProcess(TwinConfig(camera=True)) as twin:
        client = Mjpeg(twin.cameras["head"])
        first = client.read()
        twin.push(np.array([0.0, 0.0, 2.0]))
        wait_for(lambda: np.abs(client.read().rgb.astype(float) - first.rgb).mean() > 3.0)
        assert client.stamped
        assert first.rgb.ndim == 3
    with pytest.raises(CameraError):
        for _ in range(100):
            client.read()
    client.close()


def test_a_camera_whose_robot_cannot_start_ends_too(tmp_path: Path) -> None:
    def children() -> list[str]:
        return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()

    before = children()
    in_the_way = tmp_path / "pupper"
    in_the_way.write_text("precious")
    with pytest.raises(RobotError, match="no symbolic link"), TwinProcess(TwinConfig(camera=True, link=in_the_way)):
        pass
    assert children() == before
