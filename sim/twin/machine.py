"""The twin in lock-step: physics, firmware and serial line advanced together, as fast as the machine allows."""

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.firmware.firmware import Firmware, Variant, lying
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.twin.body import TwinBody
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.messages import Boot
from leash_robot.sim.twin.serial_line import Channel

SETTLE_MS = 800
"""How long a twin that starts homed lies there before anybody sees it [ms]."""
MOST_UNREAD = 1 << 16
"""Bytes that wait for `read`; what comes then is lost."""


class Twin:
    """One robot. `write` and `read` are the two directions of its serial port; time passes only in `advance`.

    `boot` "cold" is the robot at power-up with legs folded anyhow, "homed" is some time after homing has ended well.
    """

    def __init__(
        self,
        dynamics: TwinDynamics | None = None,
        *,
        seed: int = 0,
        firmware: Variant = "icm20948",
        boot: Boot = "homed",
    ) -> None:
        self._variant = firmware
        self._rng = np.random.default_rng(seed)
        self._received = bytearray()
        self.ms = 0
        """How long the twin has existed [ms]."""
        self.body = TwinBody(dynamics or TwinDynamics(), seed)
        self.power_cycle()
        self._connect()
        if boot == "homed":
            self._settle()

    @property
    def dynamics(self) -> TwinDynamics:
        """The machine it is now."""
        return self.body.dynamics

    def write(self, data: bytes) -> None:
        """Send bytes to the robot."""
        self._to_robot.put(data, self.ms)

    def read(self) -> bytes:
        """Bytes from the robot since the last call."""
        data = bytes(self._received)
        self._received.clear()
        return data

    def advance(self, ms: int) -> None:
        """Let this much time pass [ms]. Raises RobotError when these dynamics cannot be simulated."""
        with np.errstate(all="ignore"):
            for _ in range(ms):
                self._tick()
                self.body.check()

    def truth(self) -> GroundTruth:
        """What really is, now."""
        return self.body.state().truth()

    def place(self) -> None:
        """A person's hands: upright on the floor at the origin, joints as they are, everything at rest."""
        self.body.place()
        # Note: not what the accelerometer says now, which falls the last millimetre and feels next to nothing.
        self.firmware.attitude.settle(self.body.held())

    def push(self, velocity: Array) -> None:
        """Shove the body: change its velocity at once (3,), world axes [m/s]."""
        self.body.push(velocity)

    def power_cycle(self) -> None:
        """Switch off and on: the firmware boots anew and homes again, the body stays where it is."""
        self.firmware = Firmware(self._variant)
        self._trim()
        counts, _ = self.body.encoders()
        # Note: absolute within one turn of the rotor, counted from there on; so raw angles begin near zero.
        self._turns = np.floor(counts / 8192) * 8192

    def set_dynamics(self, dynamics: TwinDynamics) -> None:
        """Become another machine in the same pose; the firmware notices nothing but what it feels."""
        self.body.change(dynamics)
        self._connect()
        self._trim()

    def _connect(self) -> None:
        dynamics, line = self.dynamics, self.dynamics.line
        self._to_robot = Channel(dynamics.action_latency_ms, line.bit_errors_to_robot, line.drops_to_robot, self._rng)
        self._to_host = Channel(dynamics.telemetry_latency_ms, line.bit_errors_to_host, line.drops_to_host, self._rng)

    def _trim(self) -> None:
        drive = self.firmware.drive
        drive.kp_scale, drive.kd_scale = self.dynamics.kp, self.dynamics.kd

    def _settle(self) -> None:
        """Lie as homing leaves the robot, and let it come to rest."""
        zero = np.radians(self.dynamics.joint_zero_deg)
        self.body.data.qpos[7:] = lying() - zero
        self.body.place()
        counts = self.body.encoders()[0] - self._turns
        self.firmware.skip_boot(counts, self.body.data.qpos[7:] + zero)
        self.advance(SETTLE_MS)
        self.body.check_settled()
        self.firmware.attitude.settle(self.body.held())
        self.read()

    def _tick(self) -> None:
        firmware, body = self.firmware, self.body
        self.ms += 1
        if data := self._to_robot.take(self.ms):
            firmware.receive(data)
        counts, rpm = body.encoders()
        counts -= self._turns
        if firmware.imu_due:
            firmware.attitude.update(*body.imu())
        body.step(firmware.step(counts, rpm))
        self._to_host.put(firmware.transmit(), self.ms)
        arrived = self._to_host.take(self.ms)
        if arrived and len(self._received) < MOST_UNREAD:
            self._received += arrived
