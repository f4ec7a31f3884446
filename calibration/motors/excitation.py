"""What the legs do while their motors are identified: lying on the belly, legs up, each joint by itself.

Slow ramps show friction and gravity, fast ones the velocity gain, chirps inertia and delay, jumps the torque limit.
Front and back legs move in opposite ways, left and right mirrored, so that the body stays where it is.
"""

import numpy as np

from leash_robot.robot.spec import Gains
from leash_robot.robot.types import Array

HARD = Gains(kp=50.0, kd=2.0, max_current=4.0)
"""The gains that robots walk with, at a current that jumps exceed [A/rad], [A s/rad], [A]."""
CENTRE = (0.0, 2.3, -0.9)
"""Abduction outward, hip, knee: legs up, where gravity pulls at hip and knee [rad]."""
KINDS = ("abduction", "hip", "knee")
SWING: Array = np.array([0.25, 0.35, 0.45])
"""Largest excursion of each kind [rad]."""
OPPOSED: Array = np.array([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, 1, -1, -1]])
"""(3, 4) sign of each kind in each leg; abductions are mirrored besides."""


def wave(rate: float) -> Array:
    """(m,) one joint's excursion as a share of the largest, at `rate` targets a second; begins and ends at 0."""
    parts = [
        _ramps(rate, [1.0, -1.0, 0.0], 1.0),
        _ramps(rate, [1.0, -1.0, 1.0, -1.0, 0.0], 0.25),
        _chirp(rate, 2.5, 0.7, 5.0) * 0.4,
        np.repeat([1.0, -1.0, 0.5, -0.5, 0.8, -0.2, -1.0, 0.0], round(0.3 * rate)),
        np.zeros(round(0.3 * rate)),
    ]
    return np.concatenate(parts)


def _ramps(rate: float, ends: list[float], seconds: float) -> Array:
    """From 0 straight to one end after another; `seconds` for an excursion of 1."""
    begin, parts = 0.0, []
    for end in ends:
        ticks = max(1, round(abs(end - begin) * seconds * rate))
        parts.append(np.linspace(begin, end, ticks + 1)[1:])
        begin = end
    return np.concatenate(parts)


def _chirp(rate: float, seconds: float, slowest: float, fastest: float) -> Array:
    """A sine whose frequency rises from one to the other [Hz]."""
    time = np.arange(round(seconds * rate)) / rate
    sine: Array = np.sin(2 * np.pi * (slowest + (fastest - slowest) * time / (2 * seconds)) * time)
    return sine
