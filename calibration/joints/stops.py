"""Lying on its belly with folded legs, the robot leans each joint gently against its hard stop; that tells the zeros.

Knees fold on, abductions go outward, hips swing over the back: the ways of the firmware's own homing, where nothing
else is met. This is for firmware that does not home, or was disturbed at it. Where homing went well its zeros are the
stops, and all that is wrong with those is invisible here; the floor shows it.
"""

import numpy as np
from numpy.typing import NDArray

from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.robot.bodies.pupper.kinematics import SIDE
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array

Joints = NDArray[np.int_]

PLAY = 0.025
"""What the stops give way beyond their nominal angles [rad]."""
ABDUCTION, HIP, KNEE = np.radians(45.0) + PLAY, np.radians(255.0) + PLAY, -np.radians(165.0) - PLAY
"""Outward, over the back, folded [rad]."""
SPEED = 0.5
"""Of the reference on its way to a stop [rad/s]."""
NEAR = 0.5
"""How far before the stop the slow approach begins: zeros may be wrong [rad]."""
STALLED, SLOWED = 0.2, 0.2
"""A joint stands at something when its reference is so far ahead [rad], and it moves at less than this share of it."""
LEFT = 0.06
"""What of that is left while the joint is measured, so that it just leans [rad]."""
LARGEST_ZERO = np.radians(20.0)
"""A joint that stops farther from its stop than this has met something else [rad]."""
WINDOW = 4
"""Ticks over which a joint's speed is taken."""


def against_stops(bench: MeasurementBench) -> Array:
    """What is to be added to the angles (12,), from folded legs at rest. Raises CalibrationError naming a joint."""
    offset, rest = np.zeros(12), bench.robot.spec.rest
    for kind, stop in ((2, np.full(4, KNEE)), (0, SIDE * ABDUCTION), (1, np.full(4, HIP))):
        joints = np.arange(kind, 12, 3)
        bench.say(f"leaning the {('abductions', 'hips', 'knees')[kind]} against their stops")
        found = _lean(bench, joints, stop)
        offset[joints] = stop - found
        _check(bench, joints, offset[joints])
        bench.move(_with(bench.target, joints, rest[joints]), 0.5 + 0.5 * float(np.abs(stop - rest[joints]).max()))
    return offset


def _lean(bench: MeasurementBench, joints: Joints, stop: Array) -> Array:
    """Angles (4,) at which these joints stand against something."""
    begin = bench.target[joints]
    way = np.sign(stop - begin)
    near = stop - way * np.minimum(NEAR, np.abs(stop - begin))
    bench.move(_with(bench.target, joints, near), 0.3 + float(np.abs(near - begin).max()))
    each, reference, stalled = way * SPEED / bench.robot.spec.rate, near.copy(), np.zeros(4, bool)
    past = [bench.angles[joints]]
    for _ in range(round((2 * NEAR + STALLED) * bench.robot.spec.rate / SPEED)):
        reference = np.where(stalled, reference, reference + each)
        bench.tick(_with(bench.target, joints, reference))
        past.append(bench.angles[joints])
        slow = np.abs(past[-1] - past[-1 - WINDOW]) < SLOWED * WINDOW * np.abs(each) if len(past) > WINDOW else False
        new = slow & ((reference - past[-1]) * way > STALLED) & ~stalled
        reference, stalled = np.where(new, past[-1] + way * LEFT, reference), stalled | new
        if stalled.all():
            break
    if not stalled.all():
        raise CalibrationError(f"{_name(bench, joints, ~stalled)} met no stop; is its zero more than 20 deg off?")
    bench.hold(0.3)
    found: Array = bench.rest(0.25).pos.mean(axis=0)[joints]
    return found


def _check(bench: MeasurementBench, joints: Joints, offset: Array) -> None:
    wrong = np.abs(offset) > LARGEST_ZERO
    if wrong.any():
        raise CalibrationError(
            f"{_name(bench, joints, wrong)} stood {np.degrees(np.abs(offset[wrong][0])):.0f} deg from its stop, "
            f"{np.degrees(LARGEST_ZERO):.0f} at most is believed: is the leg blocked, or its sign reversed?"
        )


def _name(bench: MeasurementBench, joints: Joints, which: Array) -> str:
    return bench.robot.spec.names[int(joints[which][0])]


def _with(pose: Array, joints: Joints, angles: Array) -> Array:
    changed = pose.copy()
    changed[joints] = angles
    return changed
