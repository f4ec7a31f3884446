"""`leash calibrate all`: joints, IMU, motors and delays in one go."""

from dataclasses import replace

from leash_robot.calibration.joints.procedure import Found, calibrate_joints_and_imu
from leash_robot.calibration.motors.identification import calibrate_motors
from leash_robot.calibration.setup import Sitting
from leash_robot.launch.commands.calibrate.session import calibrate, parse

READY = """The robot will feel for the floor lying, stand up and lean about, lie down and swing its legs: four minutes.
Lay it on its belly, legs folded, on a level, flat, grippy floor with a leg's length free all round. Hands off."""


def everything(sitting: Sitting) -> Found:
    """One procedure after the other, each with what the ones before it found. Raises CalibrationError."""
    found, figures = calibrate_joints_and_imu(sitting)
    found, more = calibrate_motors(replace(sitting, given=found))
    return found, figures | more


def main(args: list[str]) -> int:
    """Calibrate everything that needs no board."""
    return calibrate(parse("all", args), READY, everything)
