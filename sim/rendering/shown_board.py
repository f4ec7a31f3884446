"""A simulated camera with faults, a robot that leans, and a board: the twin's side of calibrating a camera."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import cv2
import mujoco
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.board_poses import draw_pose
from leash_robot.sim.rendering.board_scene import place_board
from leash_robot.sim.rendering.flawed_camera import FlawedCamera, Flaws
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.leaning import LeaningTwin

RAISED = 1.2
"""Height at which a person holds the robot up, to show its camera the board [m]."""
SMEARED = 0.15
"""Share of pictures that are smeared by motion, as when the board is not held still."""
SMEAR = 8.0
"""[pixels]"""
FACING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a board that stands upright before the robot and faces it."""
ZERO_ERROR = 0.25
"""Of a calibrated joint, standard deviation [deg]."""


class ShownBoard:
    """One camera before a board, in a scene from `board_scene`. Use it as a context."""

    def __init__(self, truth: Flaws, size: tuple[float, float], room: mujoco.MjModel, rng: np.random.Generator) -> None:
        """The board has this width and height [m]."""
        self.truth, self._size, self._room, self._rng = truth, size, room, rng
        self._camera = FlawedCamera(truth, room)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._camera.close()

    def held(self) -> Iterator[Pixels]:
        """Endless pictures of the board as a person shows it, some smeared, some with half of it out of sight."""
        pose = np.array([0.0, 0.0, RAISED, 1.0, 0.0, 0.0, 0.0, *np.zeros(12)])
        eye = self.truth.place + np.array([0.0, 0.0, RAISED])
        while True:
            place_board(self._room, *draw_pose(self._rng, eye, self.truth.axes, self._size))
            yield self._camera.picture(pose, SMEAR if self._rng.random() < SMEARED else 0.0)

    def stood(self, spec: Spec, ways: Iterable[Sequence[Array]]) -> Iterator[tuple[Array, Pixels]]:
        """Joints (12,) as they are read and the picture, at the end of each of these ways of targets (12,), from the
        stand pose on, before a board that somebody set down.

        The twin's physics stands on a floor of its own, with feet that roll and slip, and joints whose zeros are as
        far off as calibrated ones may be.
        """
        zeros = tuple(self._rng.normal(0.0, ZERO_ERROR, 12).tolist())
        dynamics = TwinDynamics(joint_zero_deg=zeros, friction=float(self._rng.uniform(0.6, 1.1)))
        twin = LeaningTwin(spec, dynamics, int(self._rng.integers(2**31)))
        _, standing = twin.go([spec.stand])
        turn: Array = FACING @ np.asarray(cv2.Rodrigues(self._rng.uniform(-0.2, 0.2, 3))[0], np.float64)
        middle = self._rng.uniform((0.43, -0.03, 0.10), (0.54, 0.03, 0.15)) + np.array([*standing[:2], 0.0])
        place_board(self._room, middle - turn @ [*(np.array(self._size) / 2), 0.0], turn)
        for targets in ways:
            read, pose = twin.go(targets)
            yield read, self._camera.picture(pose)
