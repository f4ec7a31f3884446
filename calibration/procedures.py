"""The procedures of a body with four legs: joints, IMU, motors, or all of them; what a person prepares for each."""

from collections.abc import Mapping
from dataclasses import replace

from leash_robot.calibration.joints.procedure import (
    calibrate_by_stops,
    calibrate_imu,
    calibrate_joints,
    calibrate_joints_and_imu,
)
from leash_robot.calibration.motors.identification import calibrate_motors
from leash_robot.calibration.session import CalibrationSession, Found, Procedure


def calibrate_everything(session: CalibrationSession) -> Found:
    """One procedure after the other, each with what the ones before it found. Raises CalibrationError."""
    found, figures = calibrate_joints_and_imu(session)
    found, more = calibrate_motors(replace(session, given=found))
    return found, figures | more


JOINTS = Procedure(
    """The legs will unfold upward and feel for the floor, softly (3 A), for 45 s.
Lay the robot on its belly, legs folded, on a flat hard floor with a leg's length free all round. Hands off.""",
    calibrate_joints,
)
"""Zeros of the joints, by feeling for the floor; under a minute."""
STOPS = Procedure(
    """The legs will fold up, spread, and swing over the back, each softly (3 A) against its stop, for 20 s.
Lay the robot on its belly, legs folded, with a leg's length free all round and above. Hands off.""",
    calibrate_by_stops,
)
"""Zeros of the joints, by their hard stops."""
IMU = Procedure(
    """The robot will stand up, lean, nod and turn on the spot for 40 s (6 A).
Lay it on its belly, legs folded, on a level, flat and grippy floor. Calibrate the joints first. Hands off.""",
    calibrate_imu,
)
"""Mounting, bias and lean of the IMU, by standing in many poses; under a minute."""
MOTORS = Procedure(
    """The robot will stay on its belly and swing its legs in the air, fast, for 40 s (4 A).
Lay it down, legs folded, on a level floor with a leg's length free all round and above. Hands off.""",
    calibrate_motors,
)
"""Gains, torque, friction, inertia and delay of the motors; calibrate the joints first."""
EVERYTHING = Procedure(
    """The robot will feel for the floor lying, stand up and lean about, lie down and swing its legs: four minutes.
Lay it on its belly, legs folded, on a level, flat, grippy floor with a leg's length free all round. Hands off.""",
    calibrate_everything,
)
"""Joints, IMU, motors and delays in one go."""

LEGGED: Mapping[str, Procedure] = {"joints": JOINTS, "stops": STOPS, "imu": IMU, "motors": MOTORS, "all": EVERYTHING}
"""All of them, by name; how the registry of bodies refers to them."""
