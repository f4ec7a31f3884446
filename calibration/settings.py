"""How the body is set up for each measurement: gains, limits and the pose in which it begins."""

from msgspec.structs import replace

from leash_robot.robot.spec import Gains, Spec

GENTLE = Gains(kp=10.0, kd=1.0, max_current=3.0)
"""To feel for the floor: half a newton metre at most, about as much as it takes to lift a leg."""
FIRM = Gains(kp=30.0, kd=2.0, max_current=6.0)
"""To stand in many poses."""
BEYOND = 0.3
"""How far beyond the usual range of targets a measurement may ask [rad]."""
PRESSING = 0.6
"""The same where hard stops are looked for, of which nobody knows how far the zeros are off [rad]."""


def lying(spec: Spec, gains: Gains = GENTLE, beyond: float = BEYOND) -> Spec:
    """The same body, which begins in its rest pose and may press against what it meets."""
    return _adapted(spec, gains, beyond, stand=False)


def standing(spec: Spec, gains: Gains = FIRM) -> Spec:
    """The same body, which begins by standing up."""
    return _adapted(spec, gains, BEYOND, stand=True)


def _adapted(spec: Spec, gains: Gains, beyond: float, *, stand: bool) -> Spec:
    joints = tuple(
        replace(
            joint,
            lower=joint.lower - beyond,
            upper=joint.upper + beyond,
            stand=joint.stand if stand else joint.rest,
        )
        for joint in spec.joints
    )
    return replace(spec, joints=joints, gains=gains)
