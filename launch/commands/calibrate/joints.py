"""`leash calibrate joints`: zeros of the joints, by feeling for the floor or for the hard stops; under a minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leash_robot.calibration.joints.procedure import calibrate_by_stops, calibrate_joints
from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed

READY = """The legs will unfold upward and feel for the floor, softly (3 A), for 45 s.
Lay the robot on its belly, legs folded, on a flat hard floor with a leg's length free all round. Hands off."""
STOPS = """The legs will fold up, spread, and swing over the back, each softly (3 A) against its stop, for 20 s.
Lay the robot on its belly, legs folded, with a leg's length free all round and above. Hands off."""


@dataclass(frozen=True)
class CalibrateJoints(MachineOptions):
    """Find the zeros of the joints; also after every power-off: `leash calibrate joints --robot twin`."""

    against: Literal["floor", "stops"] = "floor"
    """What the legs feel for: a flat floor, or the hard stops of the joints, which are as good as they are built."""


def main(args: Sequence[str]) -> int:
    """Find the zeros."""
    options = checked(parsed(CalibrateJoints, "leash calibrate joints", args))
    if options.against == "stops":
        return calibrate(options, STOPS, calibrate_by_stops)
    return calibrate(options, READY, calibrate_joints)
