"""Rough ground for PyBullet: a small patch of random bumps that repeats itself and moves along under the robot.

A heightfield under the robot makes a control step about a fifth slower; two hundred boxes made it six times slower. The
engine keeps about a kilobyte for each point of a field and copies all of it when one is made, so a field as large as a
walk took half a second and 200 MB; this one takes a few milliseconds and 2 MB.
"""

import math

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.client import pybullet

CELL = 0.1
"""Distance between two points of the field [m]."""
PERIOD = 20
"""Cells after which the bumps repeat."""
LENGTH = PERIOD * CELL
"""The same [m]."""
POINTS = 2 * PERIOD + 1
"""Points along a side of the field: two repeats."""
FLATTEST = 0.0005
"""Bumps below this height are left out [m]."""


class Terrain:
    """A field of bumps in one physics client; whoever resets the client's simulation frees it."""

    def __init__(self, client: int, height: float, rng: np.random.Generator) -> None:
        """Lay bumps up to `height` [m], drawn by `rng`, around the origin."""
        self._client, self._height = client, height
        once = rng.random((PERIOD, PERIOD))
        # Note: the engine centres a field on the middle of its heights, which from 0 to 1 is a half.
        once = (once - once.min()) / (once.max() - once.min())
        self._pattern: Array = once[np.ix_(*[np.arange(POINTS) % PERIOD] * 2)]
        x, y = rng.uniform(-CELL / 2, CELL / 2, 2).tolist()
        self._centre = (x, y)
        self.body = self._make()
        """The field's number in the client."""
        self._move()

    def follow(self, x: float, y: float) -> None:
        """Keep the field under a robot at (x, y) [m]; by moving it whole repeats: the surface stays as it was."""
        centre_x, centre_y = self._centre
        if not math.isfinite(x + y):
            return
        moved = (_nearest(centre_x, x), _nearest(centre_y, y))
        if moved != self._centre:
            self._centre = moved
            self._move()

    def patch(self, half: float) -> tuple[Array, Array, Array]:
        """The points of the field within `half` [m] of the origin along x (n,) and y (m,), and heights (n, m) [m]."""
        along: Array = CELL * (np.arange(POINTS, dtype=np.float64) - PERIOD)
        near = [np.nonzero(np.abs(along + centre) <= half)[0] for centre in self._centre]
        heights: Array = self._height * self._pattern.T[np.ix_(*near)]
        return along[near[0]] + self._centre[0], along[near[1]] + self._centre[1], heights

    def _make(self) -> int:
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_HEIGHTFIELD,
            meshScale=[CELL, CELL, self._height],
            heightfieldData=self._pattern.ravel().tolist(),
            numHeightfieldRows=POINTS,
            numHeightfieldColumns=POINTS,
            physicsClientId=self._client,
        )
        body: int = pybullet.createMultiBody(0, shape, physicsClientId=self._client)
        return body

    def _move(self) -> None:
        place = [*self._centre, self._height / 2]
        pybullet.resetBasePositionAndOrientation(self.body, place, [0, 0, 0, 1], physicsClientId=self._client)


def _nearest(centre: float, place: float) -> float:
    """The centre moved by whole repeats, so that `place` lies within about half of one of it."""
    return centre + LENGTH * round((place - centre) / LENGTH)
