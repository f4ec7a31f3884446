"""The Stanford Pupper v2 as a `Robot`: on the machine, or on anything that speaks its firmware's protocol."""

import math

import numpy as np

from leash_robot.robot.bodies.gated_robot import POLL, GatedRobot
from leash_robot.robot.bodies.pupper.gate import pupper_gate
from leash_robot.robot.bodies.pupper.imu import gravity_and_gyro
from leash_robot.robot.bodies.senses import Senses
from leash_robot.robot.errors import RearmRefused, RobotError
from leash_robot.robot.safety.messages import GateConfig, Telemetry
from leash_robot.robot.types import unknown

LEVEL, TOPPLED = math.radians(15), math.radians(60)
"""How far the body may lean, legs folded, to stand up, and at all, to fold them [rad]."""
LEANING = 1.0
"""A body that leans for longer than this is not about to be set upright [s]."""
TORQUE = 0.18
"""Joint torque of the M2006 behind its gear, driving [N m/A]."""


class Pupper(GatedRobot):
    """Fits `Robot`. It stands up only when its body is level, where it has an IMU to tell."""

    moves = ("folded its legs", "stood up", "lay down")

    def gate_config(self) -> GateConfig:
        """What the gate must know, in the firmware's own angles."""
        return pupper_gate(self._spec, self._port, self._calibration)

    def sense(self, frame: Telemetry) -> Senses:
        """Gravity and gyro of the Teensy's attitude filter, torques from the motors' currents."""
        gravity, gyro = gravity_and_gyro(frame, self._calibration)
        measured = frame.cur is not None
        effort = self._calibration.turned(TORQUE * np.array(frame.cur)) if measured else unknown(len(frame.pos))
        return Senses(gravity, gyro, effort)

    def check_state(self, frame: Telemetry) -> None:
        """Raise RobotError where a policy needs an IMU and there is none."""
        if self._needs_imu and frame.imu is None:
            raise RobotError(f"the policy needs an IMU but {self._port} sends zeros; flash firmware that has it on")

    def check_before_moving(self, *, person: bool) -> None:
        """Raise RearmRefused for a body that lies on its side or back."""
        self._check_tilt(TOPPLED, "set it upright on the floor", person=person)

    def check_before_standing(self, *, person: bool) -> None:
        """Raise RearmRefused for a body that is not level."""
        self._check_tilt(LEVEL, "set it level, on its belly with its legs free", person=person)

    def _check_tilt(self, most: float, remedy: str, *, person: bool) -> None:
        """Raise RearmRefused, with the current off, when the body goes on leaning more than this [rad]. Without an IMU
        nobody but the person knows. A latch that the person's consent ended is set again.
        """
        until = self._clock.now() + LEANING
        # Note: false for NaN
        while (down := -float(self._seen().gravity[2])) < math.cos(most):
            if self._clock.now() > until:
                self._gate.stop("the robot is not level", "soft" if person else "planned")
                tilt = math.degrees(math.acos(max(-1.0, down)))
                raise RearmRefused(
                    f"the robot leans by {tilt:.0f} degrees, more than {math.degrees(most):.0f}; {remedy}, then re-arm"
                )
            self._attend()
            self._gate.wait(POLL)
