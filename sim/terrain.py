"""Rough ground for PyBullet: one pattern of bumps at any height, laid over the flat floor.

Measured at 400 Hz: a heightfield under the robot makes a control step about a fifth slower, 200 boxes on the floor
six times. Making one takes a tenth of a second or more, so those that were made are kept.
"""

import numpy as np

from robot.types import Array
from sim.bullet import pybullet

CELL = 0.1
"""Distance between two points of the pattern [m]."""
CELLS = 360
"""Points along a side: 18 m in each direction, more than is walked in an episode of 20 s at 0.8 m/s."""
WANDER = 1.5
"""How far the pattern's centre may lie from the start, so that no two draws start on the same bump [m]."""
GRAIN = 0.001
"""Heights are whole multiples of this, so that few fields do for all draws [m]."""
KEPT = 12
"""Fields that are kept for another draw."""
AWAY = -50.0
"""Where the floors wait that nobody walks on [m]."""
THICK = 0.5
"""How far the flat floor's middle lies below its face [m]."""


def pattern() -> Array:
    """(CELLS, CELLS) heights in 0..1."""
    return np.random.default_rng(20).random((CELLS, CELLS))


class Terrain:
    """The floors of one physics client, one of which is in place."""

    def __init__(self, client: int, slab: int) -> None:
        """`slab` is the flat floor's body."""
        self._client = client
        self._slab = slab
        self._fields: dict[int, int] = {}
        self.body = slab
        """The floor that is walked on."""
        self._centre, self._height = (0.0, 0.0), 0.0

    def lay(self, height: float, rng: np.random.Generator) -> float:
        """Lay bumps up to `height` [m] somewhere around the origin; return their height, 0 when it is flat."""
        self._move(self.body, 0.0, 0.0, AWAY)
        grains = round(height / GRAIN)
        if grains == 0:
            self.body, self._height = self._slab, 0.0
            self._move(self.body, 0.0, 0.0, -THICK)
            return 0.0
        if grains not in self._fields:
            self._forget()
            self._fields[grains] = self._make(grains * GRAIN)
        self.body = self._fields[grains]
        # Note: the engine centres a field on the middle of its heights.
        x, y = rng.uniform(-WANDER, WANDER, 2).tolist()
        self._centre, self._height = (x, y), grains * GRAIN
        self._move(self.body, x, y, self._height / 2)
        return self._height

    def patch(self, half: float) -> tuple[Array, Array, Array]:
        """The points of the bumps within `half` [m] of the origin along x (n,) and y (m,), and heights (n, m) [m]."""
        along: Array = CELL * (np.arange(CELLS, dtype=np.float64) - (CELLS - 1) / 2)
        near = [np.nonzero(np.abs(along + centre) <= half)[0] for centre in self._centre]
        heights: Array = self._height * pattern().T[np.ix_(*near)]
        return along[near[0]] + self._centre[0], along[near[1]] + self._centre[1], heights

    def _forget(self) -> None:
        """Make room for one more field."""
        if len(self._fields) >= KEPT:
            pybullet.removeBody(self._fields.pop(next(iter(self._fields))), physicsClientId=self._client)

    def _make(self, height: float) -> int:
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_HEIGHTFIELD,
            meshScale=[CELL, CELL, height],
            heightfieldData=pattern().ravel().tolist(),
            numHeightfieldRows=CELLS,
            numHeightfieldColumns=CELLS,
            physicsClientId=self._client,
        )
        body: int = pybullet.createMultiBody(0, shape, physicsClientId=self._client)
        pybullet.changeDynamics(body, -1, lateralFriction=1.0, physicsClientId=self._client)
        return body

    def _move(self, body: int, x: float, y: float, z: float) -> None:
        pybullet.resetBasePositionAndOrientation(body, [x, y, z], [0, 0, 0, 1], physicsClientId=self._client)
