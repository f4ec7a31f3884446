"""Where the feet are during a step: a stance that moves with the ground, a swing that joins two stances smoothly."""

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.polynomial import polynomial

from leash_robot.robot.types import Array

# Hermite bases over 0..1: rows are start, start slope, end, end slope; columns are powers of u. The quintic also has
# no acceleration at either end.
_BASES = {
    "cubic": np.array([[1, 0, -3, 2], [0, 1, -2, 1], [0, 0, 3, -2], [0, 0, -1, 1]], dtype=np.float64),
    "quintic": np.array(
        [[1, 0, 0, -10, 15, -6], [0, 1, 0, -6, 8, -3], [0, 0, 0, 10, -15, 6], [0, 0, 0, -4, 7, -3]], dtype=np.float64
    ),
}
_BUMPS = {"cubic": np.array([0, 0, 16, -32, 16.0]), "quintic": np.array([0, 0, 0, 64, -192, 192, -64.0])}


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a foot steps."""

    period: Annotated[float, Meta(ge=0.1, le=10)] = 0.4
    """A whole cycle of a foot [s]; a multiple of two ticks gives left and right the same samples."""
    duty: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    """Part of the cycle that a foot spends on the ground; above 0.5 all four overlap."""
    clearance: Annotated[float, Meta(ge=0, le=0.2)] = 0.028
    """Height of a swinging foot above the ground at its highest [m]."""
    swing: Literal["cubic", "quintic"] = "cubic"
    """Order of the swing; the quintic joins the stances without a jump in acceleration, but moves faster between."""

    @property
    def contact(self) -> float:
        """How long a foot stays on the ground [s]."""
        return self.duty * self.period

    @property
    def flight(self) -> float:
        """How long a foot stays in the air [s]."""
        return self.period - self.contact


def stance(neutral: Array, twist: Array, since: Array) -> tuple[Array, Array]:
    """Feet (4, 3) and velocities (4, 3) in the body frame of feet fixed to the ground under a body that moves.

    `neutral` (4, 3) is where each foot is `since` (4,) = 0 [s]; the body turns and moves at `twist` (vx, vy, wz). The
    motion is exact (a screw in the plane), so that feet on the ground together keep their distances.
    """
    vx, vy, rate = twist
    angle = rate * since
    half = np.sinc(angle / (2 * np.pi)) * since
    moved = _turn(np.stack([vx * half, vy * half], axis=-1), angle / 2)
    feet = neutral.copy()
    feet[:, :2] = _turn(neutral[:, :2] - moved, -angle)
    return feet, slide(feet, twist)


def slide(feet: Array, twist: Array) -> Array:
    """Velocity (4, 3) in the body frame of feet (4, 3) that stand on the ground, for a body moving at `twist`."""
    vx, vy, rate = twist
    return np.stack([rate * feet[:, 1] - vx, -rate * feet[:, 0] - vy, np.zeros(len(feet))], axis=-1)


def step(neutral: Array, twist: Array, phase: Array, steps: Steps, lift: float = 1.0) -> tuple[Array, Array]:
    """Feet (4, 3) [m] and velocities (4, 3) [m/s] in the body frame at each foot's `phase` (4,), 0..1.

    A foot is on the ground for phases below `duty`, passing `neutral` (4, 3) half-way, then swings back. `lift`
    scales the clearance.
    """
    down = stance(neutral, twist, (np.minimum(phase, steps.duty) - steps.duty / 2) * steps.period)
    up = _swing(neutral, twist, np.clip((phase - steps.duty) / (1 - steps.duty), 0.0, 1.0), steps, lift)
    grounded = (phase < steps.duty)[:, None]
    return np.where(grounded, down[0], up[0]), np.where(grounded, down[1], up[1])


def _swing(neutral: Array, twist: Array, part: Array, steps: Steps, lift: float) -> tuple[Array, Array]:
    half = np.full(len(neutral), steps.contact / 2)
    start, leave = stance(neutral, twist, half)
    end, arrive = stance(neutral, twist, -half)
    knots = np.stack([start, leave * steps.flight, end, arrive * steps.flight])
    basis = _BASES[steps.swing]
    feet = np.einsum("bf,bfc->fc", polynomial.polyval(part, basis.T), knots)
    rates = np.einsum("bf,bfc->fc", polynomial.polyval(part, polynomial.polyder(basis.T)), knots)
    bump = lift * steps.clearance * _BUMPS[steps.swing]
    feet[:, 2] += polynomial.polyval(part, bump)
    rates[:, 2] += polynomial.polyval(part, polynomial.polyder(bump))
    return feet, rates / steps.flight


def _turn(points: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[:, 0], points[:, 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
