"""The firmware's motor control: modes, joint PD in amps, Cartesian impedance, faults and the homing sequence."""

import math
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.firmware.cartesian import CartesianLaw
from leash_robot.sim.firmware.commands import Command
from leash_robot.sim.firmware.homing import SIGNS, Homing

RADIANS_PER_COUNT = 2 * math.pi / (8192 * 36)
RADIANS_PER_SECOND_PER_RPM = 2 * math.pi / (36 * 60)
MILLIAMPS = 1000.0 * SIGNS
RPM_TO_SPEED = RADIANS_PER_SECOND_PER_RPM * SIGNS
FAULT_POSITION = 2 * math.pi
FAULT_CURRENT = 10.0
HOMING_CURRENT = 6.0
"""The limit that homing sets [A], which stays until a host sets another."""


class Mode(IntEnum):
    """What the firmware is doing."""

    IDLE = 0
    ERROR = 1
    HOMING = 2
    POSITION = 3
    CARTESIAN = 4


class MotorDrive:
    """Twelve motors at 1 kHz. Nothing here ever times out: the last command holds for ever."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.mode = Mode.IDLE
        self.kp, self.kd = 8.0, 2.0
        self.kp_scale = self.kd_scale = 1.0
        """What a gain that a host sets is multiplied with; a stock robot is 1."""
        self.max_current = 0.0
        self.reference = np.zeros(12)
        self.active = np.zeros(12)
        self.zero = np.zeros(12)
        """Raw motor angle at which each joint reads zero [rad]."""
        self.cartesian = CartesianLaw()
        self.homing = Homing()
        self.raw = np.zeros(12)
        self.pos = np.zeros(12)
        self.vel = np.zeros(12)
        self._sent = np.zeros(12)
        self.laws: dict[Mode, Callable[[], Array]] = {
            Mode.HOMING: self._home,
            Mode.POSITION: self._follow,
            Mode.CARTESIAN: self._press,
        }

    @property
    def stiffness(self) -> float:
        """Effective position gain [A/rad]."""
        return self.kp * self.kp_scale

    @property
    def damping(self) -> float:
        """Effective velocity gain [A/(rad/s)]."""
        return self.kd * self.kd_scale

    def sense(self, counts: Array, rpm: Array) -> None:
        """Take the motors' feedback (12,), whole counts since power-up and rpm of the rotors."""
        np.multiply(counts, RADIANS_PER_COUNT, out=self.raw)
        np.subtract(self.raw, self.zero, out=self.pos)
        self.pos *= SIGNS
        np.multiply(rpm, RPM_TO_SPEED, out=self.vel)

    def update(self) -> Array:
        """One tick: the currents (12,) for the motors [mA], in the motors' directions."""
        # The sum of squares says cheaply that no angle is beyond; this runs a thousand times a second.
        if self.pos.dot(self.pos) > FAULT_POSITION**2:
            self._check_positions()
        if self.mode is Mode.ERROR:
            self._say("ERROR")
        law = self.laws.get(self.mode)
        return self._command(law() if law else np.zeros(12))

    def _check_positions(self) -> None:
        beyond = np.abs(self.pos) > FAULT_POSITION
        if beyond.any():
            self._say(f"actuator[{int(beyond.argmax())}] hit fault position: {FAULT_POSITION:.2f}")
            self.mode = Mode.ERROR

    def start_homing(self) -> None:
        """Begin the homing sequence from wherever the joints are."""
        self.mode = Mode.HOMING
        self.homing = Homing()
        self.active = np.ones(12)
        self.max_current = HOMING_CURRENT

    def apply(self, command: Command) -> None:
        """Do what a command asks, in the firmware's own order."""
        if "pos" in command:
            self.mode, self.reference = Mode.POSITION, command["pos"].copy()
        if "cart_pos" in command:
            self.mode, self.cartesian.reference = Mode.CARTESIAN, command["cart_pos"].reshape(4, 3)
        self._adjust(command)
        if "zero" in command:
            self.zero = self.raw.copy()
        if "idle" in command:
            self.mode = Mode.IDLE
        if "home" in command:
            self.start_homing()

    def _adjust(self, command: Command) -> None:
        self.kp = command.get("kp", self.kp)
        self.kd = command.get("kd", self.kd)
        self.max_current = command.get("max_current", self.max_current)
        self.active = command.get("activations", self.active)
        self.cartesian.kp = command.get("cart_kp", self.cartesian.kp)
        self.cartesian.kd = command.get("cart_kd", self.cartesian.kd)
        if "ff_force" in command:
            self.cartesian.force = command["ff_force"].reshape(4, 3)

    def _follow(self) -> Array:
        """Joint PD in amps. Note: the velocity reference is always zero, hence the lag of kd/kp."""
        current: Array = self.reference - self.pos
        current *= self.stiffness
        current -= self.vel * self.damping
        return current

    def _press(self) -> Array:
        return self.cartesian.currents(self.pos, self.vel, self.max_current, self.stiffness)

    def _home(self) -> Array:
        current, done = self.homing.update(self)
        if done:
            self.mode = Mode.POSITION
        return current

    def _command(self, current: Array) -> Array:
        limited = constrain(current, self.max_current)
        if not self.max_current <= FAULT_CURRENT and (np.abs(limited) > FAULT_CURRENT).any():
            self._say("Requested current too large. Erroring out.")
            self.mode = Mode.ERROR
            return self._sent
        limited *= self.active
        limited *= MILLIAMPS
        np.trunc(limited, out=limited)
        # Note: what is not a number becomes 0 when the processor makes a whole number of it.
        if math.isnan(limited.dot(limited)):
            limited[np.isnan(limited)] = 0.0
        self._sent = limited
        return limited


def constrain(current: Array, limit: float) -> Array:
    """Clip to +-limit as the firmware does, which with a negative limit is no clip, and lets NaN pass."""
    if limit >= 0.0:
        clipped: Array = np.maximum(current, -limit)
        return np.minimum(clipped, limit, out=clipped)
    inner = np.where(current >= limit, limit, current)
    return np.where(current <= -limit, -limit, inner)
