"""`leash calibrate joints`: zeros of the joints, by feeling for the floor; under a minute."""

from calibration.joints import calibrate_joints
from launch.calibrate_session import calibrate, parse

READY = """The legs will unfold upward and feel for the floor, softly (3 A), for 45 s.
Lay the robot on its belly, legs folded, on a flat hard floor with a leg's length free all round. Hands off."""


def main(args: list[str]) -> int:
    """Find the zeros; also after every power-off."""
    return calibrate(parse("joints", args), READY, calibrate_joints)
