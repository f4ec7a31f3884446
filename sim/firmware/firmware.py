"""The stock firmware of Pupper v2's Teensy as a pure state machine, stepped once a millisecond: bytes and motor
feedback in, currents and bytes out.

`Firmware` is what power-up starts: the LED second, the boot header, homing, then commands and telemetry. It knows
nothing of physics, of serial lines or of real time.
"""

import struct
from typing import Literal

from leash_robot.robot.types import Array
from leash_robot.sim.firmware.commands import Receiver, Refused, interpret
from leash_robot.sim.firmware.drive import Mode, MotorDrive
from leash_robot.sim.firmware.homing import SIGNS, STOPS, TOWARDS
from leash_robot.sim.firmware.imu import PERIOD_MS, Attitude

Variant = Literal["icm20948", "head"]

LED_MS = 1000
"""The LED blinks while the motor controllers boot; what arrives meanwhile is thrown away."""
IMU_SETUP_MS = 50
TELEMETRY_MS = 10
HEADER = "T,\r\nT," + "".join(f"p[{joint}],v[{joint}]," for joint in range(12)) + "\r\n"
"""Column titles of a long gone text protocol: first without joints, since none is active yet, then with all."""
HOMED_TS = 25_000
"""Clock of a firmware that is started as if homing were long over [ms]."""

_KEYS = ("yaw", "pitch", "roll", "yaw_rate", "pitch_rate", "roll_rate")


class Firmware:
    """One Teensy from power-up on. `variant` "head" has its IMU switched off and reports zeros."""

    def __init__(self, variant: Variant = "icm20948") -> None:
        self.variant = variant
        self.ts = 0
        """Milliseconds since boot."""
        self.running = False
        """Whether the set-up is over and homing has begun."""
        self.telemetry = True
        self.attitude = Attitude()
        self.receiver = Receiver()
        self._out = bytearray()
        self.drive = MotorDrive(self._say)
        self._last_frame = 0

    def skip_boot(self, counts: Array, joint_pos: Array) -> None:
        """Be as if homing had ended well some time ago: these rotor counts (12,) mean these angles (12,) [rad]."""
        drive = self.drive
        drive.sense(counts, counts * 0.0)
        drive.zero = drive.raw - joint_pos * SIGNS
        drive.start_homing()
        drive.mode = Mode.POSITION
        drive.reference = lying()
        self.ts, self.running = HOMED_TS, True

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        if not self.running:
            return
        for buffer in self.receiver.feed(data):
            try:
                command = interpret(buffer)
            except Refused as refusal:
                self._say(str(refusal))
                continue
            self.drive.apply(command)
            self.telemetry = command.get("debug", self.telemetry)

    def step(self, counts: Array, rpm: Array) -> Array:
        """One millisecond: motor feedback (12,) in, motor currents (12,) [mA] out."""
        self.ts += 1
        self.drive.sense(counts, rpm)
        if not self.running:
            self._boot()
            return counts * 0.0
        currents = self.drive.update()
        if self.telemetry and self.ts - self._last_frame >= TELEMETRY_MS:
            self._last_frame = self.ts
            self._out += self._frame()
        return currents

    @property
    def imu_due(self) -> bool:
        """Whether this millisecond is one in which the firmware reads its IMU."""
        return self.running and self.variant != "head" and self.ts % PERIOD_MS == 0

    def transmit(self) -> bytes:
        """Bytes for the host since the last call."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _boot(self) -> None:
        if self.ts == LED_MS + IMU_SETUP_MS:
            self._out += HEADER.encode()
            self.drive.start_homing()
            self.running = True

    def _say(self, line: str) -> None:
        self._out += f"{line}\r\n".encode()

    def _frame(self) -> bytes:
        roll = pitch = yaw = 0.0
        rates = (0.0, 0.0, 0.0)
        if self.variant != "head":
            roll, pitch, yaw = self.attitude.roll_pitch_yaw
            rates = self.attitude.rates
        numbers = (yaw, pitch, roll, *rates[::-1], *self.drive.pos.tolist(), *self.drive.vel.tolist())
        payload = b"\x89\xa2ts" + _unsigned(self.ts) + _fill(numbers)
        return b"EE" + len(payload).to_bytes(2, "big") + payload + b"\r\n"


def lying() -> Array:
    """(12,) the reference that homing ends with [rad]."""
    reference = TOWARDS * STOPS
    reference[0::3] = 0.0
    reference[1::3] = TOWARDS[1::3] * 1.5707963267948966
    return reference


def _unsigned(value: int) -> bytes:
    """MessagePack's shortest form of a 32-bit counter."""
    value &= 0xFFFFFFFF
    if value < 0x80:
        return bytes((value,))
    if value < 0x100:
        return bytes((0xCC, value))
    return b"\xcd" + value.to_bytes(2, "big") if value < 0x10000 else b"\xce" + value.to_bytes(4, "big")


def _layout() -> tuple[struct.Struct, list[bytes | float]]:
    """A frame's constant bytes, each followed by a float to fill in, and how they are packed."""
    labels = [bytes((0xA0 | len(key),)) + key.encode() + b"\xca" for key in _KEYS]
    for key in ("pos", "vel"):
        labels += [b"\xa3" + key.encode() + b"\x9c\xca", *[b"\xca"] * 11]
    slots: list[bytes | float] = []
    for label in labels:
        slots += [label, 0.0]
    return struct.Struct(">" + "".join(f"{len(label)}sf" for label in labels)), slots


_PACKED, _SLOTS = _layout()


def _fill(numbers: tuple[float, ...]) -> bytes:
    """The fields after the time stamp, as float32."""
    _SLOTS[1::2] = numbers
    return _PACKED.pack(*_SLOTS)
