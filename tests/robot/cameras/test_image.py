"""One frame, JPEG or pixels, converted once and only when somebody asks."""

import numpy as np
import pytest

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import CameraError, GateLatched, LeashError, PortError, RobotError


def test_pixels_become_jpeg_and_back_with_the_colours_in_place() -> None:
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[..., 0] = 200
    jpeg = Image(1.0, rgb=rgb).jpeg
    back = Image(2.0, jpeg=jpeg)
    assert back.time == 2.0
    assert back.rgb.shape == (32, 48, 3)
    assert back.rgb.dtype == np.uint8
    assert np.abs(back.rgb.astype(int) - rgb).max() < 8


def test_the_form_that_was_given_is_kept_and_the_other_made_once() -> None:
    rgb = np.zeros((16, 16, 3), np.uint8)
    image = Image(0.0, rgb=rgb)
    assert image.rgb is rgb
    assert image.jpeg is image.jpeg
    data = image.jpeg
    decoded = Image(0.0, jpeg=data)
    assert decoded.jpeg is data
    assert decoded.rgb is decoded.rgb


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xd8\xff", Image.blank(0.0, 16, 16).jpeg[:40]])
def test_a_damaged_jpeg_is_a_camera_error_when_it_is_looked_at(data: bytes) -> None:
    image = Image(0.0, jpeg=data)
    with pytest.raises(CameraError, match=f"{len(data)} bytes"):
        _ = image.rgb


def test_an_image_is_made_from_one_form() -> None:
    with pytest.raises(CameraError, match="either"):
        Image(0.0)
    with pytest.raises(CameraError, match="either"):
        Image(0.0, rgb=np.zeros((1, 1, 3), np.uint8), jpeg=b"x")


def test_what_goes_wrong_with_a_robot_is_one_family() -> None:
    for kind in (PortError, GateLatched, CameraError):
        assert issubclass(kind, RobotError)
        assert issubclass(kind, LeashError)
