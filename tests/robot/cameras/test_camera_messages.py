"""What is said of a camera when it is opened and by the doctor: what is done to its pictures, and that it is slow."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from leash_robot.launch.commands.doctor import robot as doctor_robot
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import PolicyHandle, name_slow_cameras
from leash_robot.launch.composition.robots import Opened, delivered, told_camera
from leash_robot.policies.manifest import describe
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import CameraSpec, load_spec

SPEC = load_spec()
SMALL = CameraSpec(64, 48, 30.0)
CROPPED = "its pictures of 160x90 are cropped to 120x90 and scaled to 64x48"


@pytest.mark.parametrize(("source", "said"), [("synthetic:160x90", f"camera head: {CROPPED}\n"), ("synthetic", "")])
def test_what_is_cropped_is_said_when_a_camera_is_opened(
    source: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with told_camera("head", open_camera(source, SMALL)):
        assert capsys.readouterr().err == said


def test_the_doctor_warns_of_a_crop_and_asks_for_another_calibration_of_the_lens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor_robot, "WATCHED", 1.0)
    monkeypatch.setattr(doctor_robot, "SLOW", 0.0)
    (finding,) = doctor_robot.camera("head", "synthetic:160x90", SMALL)
    assert finding.level == "warn" and finding.seen.endswith(CROPPED)
    assert finding.fix == "let the camera deliver 64x48, or calibrate its lens as it is now"


def test_how_many_pictures_a_camera_delivers_is_measured_from_the_first_second_on() -> None:
    with open_camera("synthetic:64x48@4", SMALL) as camera:
        begun, before = time.monotonic(), {"head": camera.status.frames}
        assert delivered({"head": camera}, before, begun) == {}
        time.sleep(1.1)
        assert 0 < delivered({"head": camera}, before, begun)["head"] < 5


@pytest.mark.parametrize(("rate", "said"), [(4.0, "camera head delivers 4 pictures a second;"), (6.0, "")])
def test_a_camera_that_is_too_slow_for_the_policy_is_one_line_at_opening(
    rate: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looking = msgspec.structs.replace(describe("puppet", SPEC), cameras=("head",))
    remote = cast(RemotePolicy, SimpleNamespace(manifest=looking))
    opened = Opened(FakeRobot(SPEC), SPEC, load_plan("twin"), Calibration.identity(SPEC))
    name_slow_cameras(PolicyHandle(remote, remote), replace(opened, camera_rates=lambda: {"head": rate}))
    lines = capsys.readouterr().err
    assert lines.startswith(said) and lines.count("\n") == (1 if said else 0)
