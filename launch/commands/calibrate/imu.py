"""`leash calibrate imu`: mounting, bias and lean of the IMU, by standing in many poses; under a minute."""

from leash_robot.calibration.joints.procedure import calibrate_imu
from leash_robot.launch.commands.calibrate.session import calibrate, parse

READY = """The robot will stand up, lean, nod and turn on the spot for 40 s (6 A).
Lay it on its belly, legs folded, on a level, flat and grippy floor. Calibrate the joints first. Hands off."""


def main(args: list[str]) -> int:
    """Find how the IMU is mounted."""
    return calibrate(parse("imu", args), READY, calibrate_imu)
