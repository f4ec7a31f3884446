"""The firmware's homing: joints are driven into their hard stops, knees first, then abductions, then hips."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.types import Array

TOWARDS: Array = np.array([-1.0, 1, -1, 1, 1, -1, -1, 1, -1, 1, 1, -1])
"""Joint direction in which each hard stop lies."""
STOPS: Array = np.tile(np.radians([45.0, 255.0, 165.0]) + 2.0 / 80.0, 4)
"""Angle of each stop from zero, with 0.025 rad of backlash [rad]."""
STEP = 0.0015
"""Advance of the reference in a tick: 1.5 rad/s [rad]."""
THRESHOLD = 5.0
"""A joint is at its stop when its PD asks for this much, before any limit [A]."""
SIGNS: Array = np.array([-1.0, -1, 1, -1, 1, -1, -1, -1, 1, -1, 1, -1])
"""Joint direction of each motor, as the firmware has it."""

ABDUCTIONS, HIPS, KNEES = (np.arange(kind, 12, 3) for kind in range(3))


class Driven(Protocol):
    """What homing works on."""

    @property
    def stiffness(self) -> float:
        """Effective position gain [A/rad]."""
        ...

    @property
    def damping(self) -> float:
        """Effective velocity gain [A/(rad/s)]."""
        ...

    raw: Array
    pos: Array
    vel: Array
    zero: Array
    reference: Array


class Homing:
    """One run of the sequence."""

    def __init__(self) -> None:
        self._homed = np.zeros(12, bool)
        self._moving = np.zeros(12, bool)

    def update(self, drive: Driven) -> tuple[Array, bool]:
        """One tick; returns the wanted currents (12,) [A] and whether the sequence has ended.

        Joints that are not being homed are held at their last reference.
        """
        seeking = self._moving & ~self._homed
        drive.reference[seeking] += (TOWARDS * STEP)[seeking]
        current = drive.stiffness * (drive.reference - drive.pos) - drive.damping * drive.vel
        found = seeking & (np.abs(current) >= THRESHOLD)
        if found.any():
            self._homed |= found
            drive.zero[found] = (drive.raw - SIGNS * TOWARDS * STOPS)[found]
            drive.reference[found] = (TOWARDS * STOPS)[found]
        return current, self._next_phase(drive)

    def _next_phase(self, drive: Driven) -> bool:
        if not self._ended(KNEES):
            return False
        if not self._ended(ABDUCTIONS):
            return False
        drive.reference[ABDUCTIONS] = 0.0
        if not self._ended(HIPS):
            return False
        drive.reference[HIPS] = TOWARDS[HIPS] * math.pi / 2
        return True

    def _ended(self, joints: NDArray[np.intp]) -> bool:
        """Whether this group is homed; sets it moving as long as it is not."""
        ended = bool(self._homed[joints].all())
        self._moving[joints] = not ended
        return ended
