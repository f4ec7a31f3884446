"""Delays: a camera that watches the robot sway tells the way to the motors from the way back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.file import known_optics, with_timing
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.frame_log import FrameLog
from leash_robot.calibration.latency.delays import ways
from leash_robot.calibration.latency.sway import record_sway, time_camera
from leash_robot.calibration.session import CalibrationSession
from leash_robot.launch.commands.calibrate.latency import twin_optics
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policy_trips import policy_trips
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.calibration import Calibration, CalibrationEstimate, CameraCalibration
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import CalibrationError, UsageError
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.rendering.board_scene import standing_board
from leash_robot.sim.rendering.twin_camera import Renderer
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import START, TICK, LockstepGate

SPEC = load_spec()
BARE = Calibration.identity(SPEC)
CAMERA, BACK = 0.03, 0.024
"""From the light to a picture's own time, and from a motion to its state [s]."""


class LateEye:
    """Shows what was before the twin's camera a tick ago; its pictures say that they are younger than they are."""

    def __init__(self, twin: Twin, renderer: Renderer) -> None:
        self._twin, self._renderer = twin, renderer
        self._before: Image | None = None

    def latest(self) -> Image | None:
        now, before = START + self._twin.ms * TICK, self._before
        pixels = self._renderer.render(self._twin.body.state().qpos)
        self._before = Image(now + CAMERA, rgb=pixels)
        return before


def opener(twin: Twin, eye: LateEye) -> Callable[[Spec, Calibration], Pupper]:
    def opened(spec: Spec, calibration: Calibration) -> Pupper:
        gate = LockstepGate(twin)
        return Pupper(spec, "the twin", cameras={"head": eye}, calibration=calibration, clock=gate, gate=gate.open)

    return opened


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    path: Path = tmp_path_factory.mktemp("board") / "board.png"
    cv2.imwrite(str(path), Board().modules)
    try:
        made = Renderer(model=standing_board(path))
    except RuntimeError as error:
        pytest.skip(str(error))
    yield made
    made.close()


def test_swaying_before_a_board_times_the_camera_and_tells_both_ways_apart(renderer: Renderer) -> None:
    twin = Twin(TwinDynamics(action_latency_ms=11.0, telemetry_latency_ms=1e3 * BACK), seed=4)
    session = CalibrationSession(SPEC, BARE, opener(twin, LateEye(twin, renderer)))
    lens, mount = known_optics(BARE, "head", twin_optics())
    timing = time_camera(record_sway(session, "head"), session, Finder(Board()), lens, mount)
    assert timing.latency == pytest.approx(CAMERA - BACK, abs=0.003)
    assert timing.readout == pytest.approx(0.0, abs=0.004)
    both = ways(CalibrationEstimate(35.0, 0.5), 1e3 * CAMERA, 1e3 * timing.latency, 1e3 * timing.latency_doubt)
    assert both.back.value == pytest.approx(1e3 * BACK, abs=3.0)
    assert both.there.value + both.back.value == pytest.approx(35.0)


def test_a_board_that_was_not_there_is_said() -> None:
    class Dark:
        def latest(self) -> Image:
            return Image(START + twin.ms * TICK, rgb=np.zeros((48, 64, 3), np.uint8))

    twin = Twin()
    session = CalibrationSession(SPEC, BARE, opener(twin, Dark()))  # type: ignore[arg-type]
    lens, mount = known_optics(BARE, "head", twin_optics())
    with pytest.raises(CalibrationError, match="the board was seen 0 times at rest and 0 times swaying"):
        time_camera(record_sway(session, "head"), session, Finder(Board()), lens, mount)


def test_a_camera_that_is_not_calibrated_says_how_to() -> None:
    with pytest.raises(CalibrationError, match="leash calibrate camera --name head --mount stances"):
        known_optics(BARE, "head")


def test_what_was_found_of_a_camera_goes_into_the_file() -> None:
    class Found:
        readout = 0.0281

    known = CameraCalibration(640, 480, 500.0, 500.0, 320.0, 240.0, rotation=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    given = replace(BARE, cameras={"head": known})
    both = ways(CalibrationEstimate(40.0, 0.5), 30.0, 12.0, 0.4)
    found = with_timing(given, "head", Found(), both, 30.0)  # type: ignore[arg-type]
    assert (found.cameras["head"].latency_ms, found.cameras["head"].rolling_ms) == (30.0, 28.1)
    assert found.latency["telemetry_delay_ms"].value == 18.0
    assert found.latency["command_to_motion_ms"].value == 22.0
    assert with_timing(BARE, "head", Found(), None, None) == BARE  # type: ignore[arg-type]


def test_a_policy_is_asked_as_often_as_there_are_ticks() -> None:
    twin, frames = Twin(), FrameLog()
    with Pupper(SPEC, "the twin", clock=(gate := LockstepGate(twin)), gate=gate.open) as robot:
        robot.reset()
        for _ in range(4):
            frames.add(robot.observe())
    took = policy_trips("trot", SPEC, load_plan("twin"), frames.ticks)
    assert took.shape == (4,)
    assert took.max() < 1.0
    assert frames.ages == {}


def test_options_that_need_each_other_are_asked_for() -> None:
    from leash_robot.launch.commands.calibrate.latency import main

    with pytest.raises(UsageError, match="--camera"):
        main(["--board"])
    with pytest.raises(UsageError, match="--board alone"):
        main(["--camera-latency-ms", "30"])
