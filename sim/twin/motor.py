"""The twin's twelve motors: current in, torque and gearbox friction out, after the published bench fit of M2006 + C610.

On the bench the motor gave 0.179 i - 0.0136 N m when it drove its load and held 0.308 i + 0.0673 N m when the load
drove it. The mean of the two is the torque before the gearbox, half their difference the gearbox's dry friction. That
friction goes to the physics engine's own friction constraint, which also holds a joint that stands still.
"""

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.twin.dynamics import TwinDynamics

TORQUE_PER_AMP = (0.308 + 0.179) / 2
"""Before the gearbox takes its share [N m/A]."""
FRICTION_PER_AMP = (0.308 - 0.179) / 2
"""What the gearbox holds back, or adds when driven [N m/A]."""
COULOMB = (0.0673 + 0.0136) / 2
"""[N m]"""
VISCOUS = (0.00277 + 0.00494) / 2
"""[N m s/rad]"""
NO_LOAD_SPEED = 52.4
"""500 rpm at the output [rad/s]."""
STALL_CURRENT = 33.0
"""Where the line through 416 rpm at 1 N m and 500 rpm at none meets standstill; never reached, only its slope [A]."""


class Motors:
    """Twelve motors with their current loops; arrays (12,) in joint directions."""

    def __init__(self, dynamics: TwinDynamics) -> None:
        self._follow = 1.0 if dynamics.current_loop_ms <= 0.0 else 1.0 - float(np.exp(-1.0 / dynamics.current_loop_ms))
        self._torque_per_amp = TORQUE_PER_AMP * dynamics.motor_strength
        self._friction_per_amp = FRICTION_PER_AMP * dynamics.motor_strength
        self._coulomb = COULOMB * dynamics.coulomb + dynamics.joint_friction
        self._current = np.zeros(12)
        self._room = np.zeros(12)
        self.torque: Array = np.zeros(12)
        """What the motors exert [N m]."""
        self.friction: Array = np.zeros(12)
        """The dry friction that resists any motion [N m]."""

    def step(self, wanted: Array, speed: Array) -> None:
        """One millisecond with these commanded currents [A] at these joint speeds [rad/s]."""
        current, room = self._current, self._room
        np.subtract(wanted, current, out=room)
        room *= self._follow
        current += room
        # The voltage that is left at this speed bounds the current in the direction of motion.
        np.multiply(speed, -STALL_CURRENT / NO_LOAD_SPEED, out=room)
        room += STALL_CURRENT
        np.minimum(current, room, out=current)
        room -= 2 * STALL_CURRENT
        np.maximum(current, room, out=current)
        np.multiply(current, self._torque_per_amp, out=self.torque)
        np.abs(current, out=self.friction)
        self.friction *= self._friction_per_amp
        self.friction += self._coulomb
