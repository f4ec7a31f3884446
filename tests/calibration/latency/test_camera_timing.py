"""Latency and readout of a camera that turns before a board, with rows that MuJoCo drew one band after the other."""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import pytest

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.views import BoardView, Finder
from leash_robot.calibration.latency.camera_timing import fit_timing
from leash_robot.calibration.pose import Pose
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.board_scene import Pattern, board_scene, place_board
from leash_robot.sim.rendering.flawed_camera import FlawedCamera, Flaws, draw_flaws
from leash_robot.sim.rendering.shown_board import FACING

LATENCY, READOUT, BANDS = 0.047, 0.028, 10
PLACE = np.array([0.55, 0.126, 1.30])


def turned(when: float, speed: float) -> Pose:
    """The body as it sways: yaw and some pitch."""
    yaw, pitch = 0.10 * np.sin(speed * when), 0.05 * np.cos(speed * when)
    return Pose.of(np.array([0.0, pitch, yaw, 0.0, 0.0, 1.2]))


def qpos(pose: Pose) -> Array:
    vector = pose.vector[:3]
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle else vector
    return np.concatenate([pose.place, [np.cos(angle / 2)], np.sin(angle / 2) * axis, np.zeros(12)])


@pytest.fixture(scope="module")
def camera() -> Iterator[tuple[Flaws, FlawedCamera]]:
    board = Board()
    room = board_scene(Pattern(board.modules, board.size[0]))
    place_board(room, PLACE, FACING)
    flaws = draw_flaws(np.random.default_rng(3))
    made = FlawedCamera(flaws, room)
    yield flaws, made
    made.close()


def filmed(made: FlawedCamera, speed: float, count: int) -> list[tuple[float, BoardView]]:
    """Frames with their times, each put together from bands of rows that were exposed one after the other."""
    finder, frames = Finder(Board()), []
    edges = np.linspace(0, 480, BANDS + 1).astype(int)
    for number in range(count):
        stamp = 1.0 + 0.37 * number
        rows = [
            made.picture(qpos(turned(stamp - LATENCY + ((low + high) / 960 - 0.5) * READOUT, speed)))[low:high]
            for low, high in pairwise(edges)
        ]
        frames.append((stamp, finder.find(np.concatenate(rows))))
    return frames


def known(flaws: Flaws) -> tuple[Intrinsics, Pose]:
    lens = Intrinsics((640, 480), flaws.focal, flaws.centre, (*flaws.radial[:2], *flaws.tangential, 0.0), 0, 0, 0)
    return lens, Pose(flaws.axes, flaws.place)


def test_latency_and_readout_are_found_while_the_body_sways(camera: tuple[Flaws, FlawedCamera]) -> None:
    flaws, made = camera
    lens, mount = known(flaws)
    board = Pose(FACING, PLACE)
    found = fit_timing(filmed(made, 7.0, 4), lambda when: (turned(when, 7.0) @ mount).inverse @ board, lens)
    assert found.latency == pytest.approx(LATENCY, abs=0.002)
    assert found.readout == pytest.approx(READOUT, abs=0.004)


def synthetic(lens: Intrinsics, mount: Pose, speed: float) -> list[tuple[float, BoardView]]:
    board, rng = Board(), np.random.default_rng(0)
    frames = []
    for stamp in np.arange(1.0, 3.0, 0.2):
        held = (turned(stamp - LATENCY, speed) @ mount).inverse @ Pose(FACING, PLACE)
        seen, _ = cv2.projectPoints(board.corners, held.vector[:3], held.place, lens.matrix, lens.bends)
        noisy = np.asarray(seen, np.float64).reshape(-1, 2) + rng.normal(0, 0.1, (40, 2))
        frames.append((float(stamp), BoardView(np.arange(40.0), noisy, board.corners, (640, 480), 0.5)))
    return frames


def test_a_global_shutter_reads_out_at_once_and_stillness_tells_nothing(camera: tuple[Flaws, FlawedCamera]) -> None:
    lens, mount = known(camera[0])
    board = Pose(FACING, PLACE)
    found = fit_timing(synthetic(lens, mount, 7.0), lambda when: (turned(when, 7.0) @ mount).inverse @ board, lens)
    assert found.latency == pytest.approx(LATENCY, abs=0.001)
    assert found.readout == pytest.approx(0.0, abs=0.001)
    with pytest.raises(CalibrationError, match="too slow"):
        fit_timing(synthetic(lens, mount, 0.0), lambda when: (turned(when, 0.0) @ mount).inverse @ board, lens)
