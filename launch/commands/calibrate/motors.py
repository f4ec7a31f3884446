"""`leash calibrate motors`: gains, torque, friction, inertia and delay, and the simulator's files from them."""

from leash_robot.calibration.motors.identification import calibrate_motors
from leash_robot.launch.commands.calibrate.session import calibrate, parse

READY = """The robot will stay on its belly and swing its legs in the air, fast, for 40 s (4 A).
Lay it down, legs folded, on a level floor with a leg's length free all round and above. Hands off."""


def main(args: list[str]) -> int:
    """Identify the motors; calibrate the joints first."""
    return calibrate(parse("motors", args), READY, calibrate_motors)
