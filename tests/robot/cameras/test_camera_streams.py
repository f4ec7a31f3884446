"""Streams as cheap cameras send them, logins, pictures of another size, and pictures that repeat themselves."""

import base64
import http.server
import socket
import ssl
import threading
import time

import cv2
import numpy as np
import pytest

from leash_robot.robot.cameras.address import shown
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.mjpeg import Mjpeg
from leash_robot.robot.cameras.sources import Stream
from leash_robot.robot.cameras.worker import adapted, fitted
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec
from support.camera_streams import SPEC, FakeCapture, part, picture, server, stream, until

JPEG = picture().jpeg
FRAME = picture().rgb


def bare(jpeg: bytes) -> bytes:
    """A part that does not say how long it is."""
    return b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (bare(JPEG) + bare(JPEG) + b"--frame--\r\n", "boundary=frame"),
        (bare(JPEG) + bare(JPEG) + b"--frame--\r\n", 'boundary="--frame"'),
        (bare(JPEG) + bare(JPEG) + b"--frame--\r\n", "boundary=another"),
        (bare(JPEG) + bare(JPEG) + b"--frame--\r\n", ""),
        (bare(JPEG)[9:] + bare(JPEG) + b"--frame--\r\n", "boundary=frame"),
        (part(JPEG)[9:] + part(JPEG), "boundary=frame"),
        (part(JPEG).removesuffix(b"\r\n") + part(JPEG), "boundary=frame"),
    ],
    ids=["no length", "dashes announced", "another announced", "none announced", "no first boundary, no length",
         "no first boundary", "no line end after the picture"],
)  # fmt: skip
def test_streams_as_cheap_cameras_send_them_are_read(body: bytes, kind: str) -> None:
    with server(stream(body, kind=f"multipart/x-mixed-replace; {kind}")) as url:
        source = Mjpeg(url)
        try:
            assert [source.read().jpeg for _ in range(2)] == [JPEG, JPEG]
        finally:
            source.close()


def test_frames_that_lay_in_a_buffer_are_not_taken_for_new() -> None:
    go_on = threading.Event()

    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        stream(part(JPEG))(request)
        request.wfile.write(b"".join(part(JPEG + bytes([number])) for number in range(5)))
        go_on.wait(5)
        request.wfile.write(part(JPEG + b"new"))

    with server(reply) as url:
        source = Mjpeg(url)
        try:
            source.read()
            begun = time.monotonic()
            time.sleep(0.3)  # as a process that is stopped
            assert all(source.read().time <= begun for _ in range(5))
            threading.Timer(0.05, go_on.set).start()
            newest = source.read()
            assert begun + 0.3 <= newest.time <= time.monotonic()
        finally:
            go_on.set()
            source.close()


def test_a_stream_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leash_robot.robot.cameras.mjpeg.TIMEOUT", 0.1)
    hold = threading.Event()

    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        stream(part(JPEG))(request)
        hold.wait(5)

    with server(reply) as url:
        source = Mjpeg(url)
        try:
            source.read()
            with pytest.raises(CameraError, match="stopped: timed out"):
                source.read()
        finally:
            hold.set()
            source.close()


def test_an_encrypted_stream_is_read_and_its_frames_have_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    def context(side: int) -> ssl.SSLContext:
        made = ssl.SSLContext(side)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("aNULL:@SECLEVEL=0")  # neither side has a certificate
        return made

    monkeypatch.setattr(ssl, "create_default_context", lambda: context(ssl.PROTOCOL_TLS_CLIENT))
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        accepted, _ = listening.accept()
        with context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(accepted, server_side=True) as secure:
            secure.recv(4096)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
            secure.sendall(head + part(b"x" * 20_000) + part(JPEG))

    thread = threading.Thread(target=answer)
    thread.start()
    begun = time.monotonic()
    source = Mjpeg(f"https://127.0.0.1:{listening.getsockname()[1]}/")
    try:
        first, second = source.read(), source.read()
        assert (first.jpeg, second.jpeg) == (b"x" * 20_000, JPEG)
        assert begun <= first.time <= second.time <= time.monotonic()
    finally:
        source.close()
        thread.join()
        listening.close()


def test_the_login_in_an_address_is_sent_and_never_shown() -> None:
    asked: list[str | None] = []

    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.headers["Authorization"])
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Digest realm="x"')
        request.end_headers()

    with server(reply) as url, pytest.raises(CameraError) as error:
        Mjpeg(url.replace("//", "//robin:p%40ss%3Aword@"))
    assert asked == [f"Basic {base64.b64encode(b'robin:p@ss:word').decode()}"]
    assert "refuses the login (Digest)" in str(error.value)
    assert "p%40ss" not in str(error.value) and "robin" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("http://10.0.0.1:81/stream?a=1", "http://10.0.0.1:81/stream?a=1"),
        ("rtsp://robin:secret@10.0.0.1/live", "rtsp://***@10.0.0.1/live"),
        ("head=http://robin:sec@ret@cam/", "head=http://***@cam/"),
        ("http://cam/?user=x&PassWord=secret&size=2", "http://cam/?user=x&PassWord=***&size=2"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(source: str, seen: str) -> None:
    assert shown(source) == seen


def test_no_message_of_a_camera_shows_its_password() -> None:
    with pytest.raises(CameraError) as error, open_camera("http://robin:secret@127.0.0.1:1/", SPEC):
        pass
    assert "secret" not in str(error.value)
    with pytest.raises(CameraError) as refused:
        Mjpeg("http://robin:secret@cam:port/")
    assert "secret" not in str(refused.value)


# --- pictures of another size -------------------------------------------------------------------------------------


def test_a_picture_of_another_shape_is_cropped_in_the_middle_and_not_squeezed() -> None:
    rgb = np.zeros((96, 256, 3), np.uint8)
    cv2.circle(rgb, (128, 48), 30, (255, 255, 255), -1)
    for turned in (rgb, np.ascontiguousarray(rgb.transpose(1, 0, 2))):
        jpeg = fitted(Image(0.0, rgb=turned), CameraSpec(64, 48, 30.0))
        assert jpeg is not None
        white = Image(0.0, jpeg=jpeg).rgb[..., 0] > 127
        assert white.shape == (48, 64)
        assert abs(int(white.any(axis=0).sum()) - int(white.any(axis=1).sum())) <= 1


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (None, ""),
        ((48, 64), ""),
        ((96, 128), "its pictures of 128x96 are scaled to 64x48"),
        ((1080, 1920), "its pictures of 1920x1080 are cropped to 1440x1080 and scaled to 64x48"),
        ((64, 64), "its pictures of 64x64 are cropped to 64x48 and scaled to 64x48"),
    ],
)
def test_what_is_done_to_pictures_of_another_size_is_said(size: tuple[int, int] | None, said: str) -> None:
    assert adapted(size, CameraSpec(64, 48, 30.0)) == said


def test_a_camera_says_what_is_done_to_its_pictures() -> None:
    with open_camera("synthetic:160x90", CameraSpec(64, 48, 30.0)) as camera:
        assert camera.status.message == "its pictures of 160x90 are cropped to 120x90 and scaled to 64x48"


# --- what repeats itself ------------------------------------------------------------------------------------------


def test_a_picture_that_repeats_itself_is_as_old_as_when_it_first_came() -> None:
    with open_camera("synthetic?freeze=3", CameraSpec(64, 48, 30.0)) as camera:
        until(camera, "frozen")
        assert camera.status.age > 0.1
        before, count = camera.latest(), camera.status.frames
        while camera.status.frames < count + 3:
            time.sleep(0.01)
        after = camera.latest()
        assert before is not None and after is not None and after.time == before.time


def test_a_stream_without_stamps_that_paused_is_opened_anew() -> None:
    clock = VirtualClock(10.0)
    source = Stream(FakeCapture([FRAME] * 3), "rtsp://cam", 30.0, clock)
    assert source.read().time == 10.0
    clock.advance(0.2)
    assert source.read().time == 10.2
    clock.advance(0.4)
    with pytest.raises(CameraError, match=r"rtsp://cam paused for 0\.4 s; it is opened anew"):
        source.read()
    source.close()
    ended = Stream(FakeCapture([FRAME]), "rtsp://cam", 30.0, clock)
    ended.read()
    with pytest.raises(CameraError, match="rtsp://cam stopped delivering"):
        ended.read()
