"""A simulated camera with faults, a robot that leans, and a board: the twin's side of calibrating a camera."""

from collections.abc import Iterator
from typing import Self

import cv2
import mujoco
import numpy as np

from calibration.camera_stances import stances
from calibration.charuco_board import Board
from robot.image import Pixels
from robot.spec import Legs, Spec
from robot.types import Array
from sim.board_poses import draw_pose
from sim.board_scene import Pattern, board_scene, place_board
from sim.flawed_camera import FlawedCamera, Flaws

RAISED = 1.2
"""Height at which a person holds the robot up, to show its camera the board [m]."""
STANDING = 0.167
"""Height of the hip axes over the floor in the standing pose [m]."""
SMEARED = 0.15
"""Share of pictures that are smeared by motion, as when the board is not held still."""
SMEAR = 8.0
"""[pixels]"""
FACING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a board that stands upright before the robot and faces it."""
ZERO_ERROR, ANGLE_ERROR = 0.25, 0.1
"""Of a calibrated joint, always, and of one reading: standard deviations [deg]."""


def board_room(board: Board) -> mujoco.MjModel:
    """The scene, which takes seconds to build; serves for many cameras."""
    return board_scene(Pattern(board.modules, board.size[0]))


class ShownBoard:
    """One camera before the board, in a scene from `board_room`. Use it as a context."""

    def __init__(self, flaws: Flaws, board: Board, room: mujoco.MjModel, rng: np.random.Generator) -> None:
        self._flaws, self._board, self._room, self._rng = flaws, board, room, rng
        self._camera = FlawedCamera(flaws, room)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._camera.close()

    def held(self) -> Iterator[Pixels]:
        """Endless pictures of the board as a person shows it, some smeared, some with half of it out of sight."""
        pose = _qpos(np.array([0.0, 0.0, RAISED]), np.zeros(3), np.zeros(12))
        eye = self._flaws.place + np.array([0.0, 0.0, RAISED])
        while True:
            place_board(self._room, *draw_pose(self._rng, eye, self._flaws.axes, self._board.size))
            yield self._camera.picture(pose, SMEAR if self._rng.random() < SMEARED else 0.0)

    def stood(self, spec: Spec, legs: Legs, count: int) -> Iterator[tuple[Array, Pixels]]:
        """Joints (12,) as they are read and the picture, for each stance before a board that somebody set down."""
        turn: Array = FACING @ np.asarray(cv2.Rodrigues(self._rng.uniform(-0.2, 0.2, 3))[0], np.float64)
        low, high = (0.43, -0.03, 0.10), (0.54, 0.03, 0.15)
        corner = self._rng.uniform(low, high) - turn @ [*(np.array(self._board.size) / 2), 0.0]
        place_board(self._room, corner, turn)
        zeros = np.radians(ZERO_ERROR) * self._rng.normal(size=12)
        for joints, lean, shift in stances(spec, legs, count):
            read = joints + zeros + np.radians(ANGLE_ERROR) * self._rng.normal(size=12)
            yield read, self._camera.picture(_qpos(shift + np.array([0.0, 0.0, STANDING]), lean, joints))


def _qpos(place: Array, lean: Array, joints: Array) -> Array:
    """(19,) for the body at `place` (3,), turned by the rotation vector `lean` (3,)."""
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.asarray(cv2.Rodrigues(lean)[0], np.float64).ravel())
    return np.concatenate([place, quaternion, joints])
