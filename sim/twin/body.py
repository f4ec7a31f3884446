"""The twin's physics: body, motors, encoders and inertial sensor, stepped a millisecond at a time."""

import mujoco
import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.model import build
from leash_robot.sim.twin.motor import Motors
from leash_robot.sim.twin.state import TwinState
from leash_robot.sim.unstable_dynamics import impossible

COUNTS_PER_RADIAN = 8192 * 36 / (2 * np.pi)
"""Encoder counts of the rotor for a radian of the joint."""
RPM_PER_RADIAN_PER_SECOND = 36 * 60 / (2 * np.pi)
DIRECTIONS: Array = np.array([-1.0, -1, 1, -1, 1, -1, -1, -1, 1, -1, 1, -1])
"""How each motor is mounted: turns of the rotor against the joint's own direction."""
COUNTS = DIRECTIONS * COUNTS_PER_RADIAN
RPM = DIRECTIONS * RPM_PER_RADIAN_PER_SECOND
AMPS = DIRECTIONS * 1e-3
SPEED_FILTER = 1.0 - float(np.exp(-1.0 / 2.0))
"""The motor controllers' speed estimate lags about 2 ms; more does not fit what logs of the robot show."""
RESTLESS = 2.0
"""Joint speed that a robot at rest does not reach, shaken as it may be [rad/s]; the nominal one has 0.01."""
LYING: Array = np.tile([0.0, 1.5, -2.4], 4)
"""How a person leaves the robot on the floor, legs folded under it [rad]."""


def _quiet(message: str) -> None:
    """Note: MuJoCo would write its warnings to the terminal and to a file in the working directory; see `check`."""


mujoco.set_mju_user_warning(_quiet)


class TwinBody:
    """One robot on one floor. Motor-side quantities are in the motors' own directions, as the CAN bus has them."""

    def __init__(self, dynamics: TwinDynamics, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        self.metered = False
        """Whether `work` is kept; it costs a twentieth of the speed."""
        self.work = 0.0
        """Mechanical work of the joints so far, either way [J]."""
        # Note: where the rotors' own zero lies within one of their 36 turns is chance.
        self._encoder_offset = self._rng.uniform(0, 8192, 12)
        self._install(dynamics)
        self.data.qpos[7:] = LYING
        self.place()

    def _install(self, dynamics: TwinDynamics) -> None:
        self.dynamics = dynamics
        self.model = build(dynamics, self._seed)
        self.data = mujoco.MjData(self.model)
        self.motors = Motors(dynamics)
        self._joint_pos, self._joint_vel = self.data.qpos[7:], self.data.qvel[6:]
        self._torque, self._friction = self.data.qfrc_applied[6:], self.model.dof_frictionloss[6:]
        self._down: Array = self.model.opt.gravity / np.linalg.norm(self.model.opt.gravity)
        kinds = (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)
        self._diverged = [self.data.warning[kind] for kind in kinds]
        self._speed = np.zeros(12)
        self._wanted = np.zeros(12)
        self._nudge = np.array(dynamics.torque_offset)

    def change(self, dynamics: TwinDynamics) -> None:
        """Become another machine in the same pose and motion."""
        before = self.data
        self._install(dynamics)
        self.data.qpos[:], self.data.qvel[:], self.data.time = before.qpos, before.qvel, before.time
        mujoco.mj_forward(self.model, self.data)

    def encoders(self) -> tuple[Array, Array]:
        """Rotor counts (12,) and rotor speed (12,) [rpm], whole numbers, as the motor controllers report them."""
        counts: Array = self._joint_pos * COUNTS
        counts += self._encoder_offset
        np.floor(counts, out=counts)
        rpm: Array = self._joint_vel - self._speed
        rpm *= SPEED_FILTER
        self._speed += rpm
        np.multiply(self._speed, RPM, out=rpm)
        return counts, np.rint(rpm, out=rpm)

    def step(self, milliamps: Array) -> None:
        """One millisecond with these currents (12,) commanded [mA]."""
        np.multiply(milliamps, AMPS, out=self._wanted)
        self.motors.step(self._wanted, self._joint_vel)
        np.add(self.motors.torque, self._nudge, out=self._torque)
        if self.dynamics.torque_noise > 0.0:
            self._torque += self._rng.uniform(-self.dynamics.torque_noise, self.dynamics.torque_noise, 12)
        self._friction[:] = self.motors.friction
        if self.metered:
            self._meter()
        mujoco.mj_step(self.model, self.data)

    def check(self) -> None:
        """Raise RobotError once the physics has diverged.

        Note: MuJoCo then starts the body anew by itself, which would look as if somebody had switched the robot off.
        """
        if any(warning.number for warning in self._diverged):
            raise impossible(self.dynamics, f"the motion diverged after {self.data.time:.3g} s")

    def check_settled(self) -> None:
        """Raise RobotError when a robot that lies on the floor has not come to rest."""
        self.check()
        speed = float(np.abs(self._joint_vel).max())
        if speed > RESTLESS:
            raise impossible(self.dynamics, f"a robot that lies still moves its joints at {speed:.2g} rad/s")

    def _meter(self) -> None:
        """Add what the joints do in this millisecond, after the gearbox."""
        speed = np.abs(self._joint_vel)
        lost = (self.motors.friction + self.model.dof_damping[6:] * speed) * speed
        self.work += 1e-3 * float(np.abs(self.motors.torque * self._joint_vel - lost).sum())

    def imu(self) -> tuple[Array, Array]:
        """A noisy sample of rates (3,) [rad/s] and specific force (3,) [m/s2] in the sensor's axes."""
        sensor, imu = self.data.sensordata, self.dynamics.imu
        noise = self._rng.standard_normal(6)
        return sensor[0:3] + imu.gyro_bias + imu.gyro_noise * noise[:3], sensor[3:6] + imu.accel_noise * noise[3:]

    def held(self) -> Array:
        """Specific force (3,) in the sensor's axes while the robot is held as it is, at rest [m/s2]."""
        turned = self.data.site("imu").xmat.reshape(3, 3)
        force: Array = -self.model.opt.gravity @ turned
        return force

    def place(self) -> None:
        """Put the robot upright on the floor at the origin, joints as they are, everything at rest."""
        data = self.data
        data.qpos[:7] = (0, 0, 0.5, 1, 0, 0, 0)
        data.qvel[:] = 0.0
        mujoco.mj_forward(self.model, data)
        data.qpos[2] += self.dynamics.bumps + 0.001 - self._lowest()
        mujoco.mj_forward(self.model, data)

    def _lowest(self) -> float:
        """Height of the robot's lowest point, by the boxes around its shapes [m]."""
        robot = self.model.geom_bodyid > 0
        centre, half = self.model.geom_aabb[robot, :3], self.model.geom_aabb[robot, 3:]
        down = self.data.geom_xmat[robot].reshape(-1, 3, 3)[:, 2, :]
        middle = self.data.geom_xpos[robot, 2] + (down * centre).sum(axis=1)
        return float((middle - (np.abs(down) * half).sum(axis=1)).min())

    def push(self, velocity: Array) -> None:
        """Change the body's velocity at once (3,), world axes [m/s]."""
        self.data.qvel[:3] += velocity

    def state(self, captured: float = 0.0, skipped: float = 0.0, dropped: int = 0) -> TwinState:
        """What really is, now; what this knows nothing of is passed through."""
        data = self.data
        return TwinState(captured, data.time, skipped, dropped, data.qpos, data.qvel, data.sensordata[6:], self._down)
