"""Speaks with the stock firmware of Pupper v2, for the gate: it pushes telemetry, homes itself, acknowledges nothing.

It has no watchdog, so that whatever was sent last holds. Damping sets kp to zero and keeps kd: the legs sink softly.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.robot.bodies.pupper.protocol import IDLE, JOINTS, TelemetryParser, encode_gains, encode_target
from leash_robot.robot.bodies.pupper.telemetry_filter import Plausibility
from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.messages import GateConfig, Telemetry
from leash_robot.robot.safety.state import GateFault, Write

NAME = "leash_robot.robot.bodies.pupper.codec:PupperCodec"
"""How a gate's config names this codec."""
BOOT = 20_000.0
"""A Teensy younger than this has just homed, so the robot must lie in its rest pose [ms]."""
FLUSH = 30
"""Idle frames before anything else: they complete whatever truncated frame the firmware still waits for."""
FAREWELL = 3
"""How often the current is switched off, since nothing is acknowledged."""
ALARMS = ("ERROR", "hit fault position", "too large")
"""Text by which the firmware says that it has switched the motors off."""


class PupperSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gains of the firmware's joint PD."""

    kp: Annotated[float, Meta(gt=0, le=200)]
    """[A/rad]"""
    kd: Annotated[float, Meta(ge=0, le=20)]
    """[A/(rad/s)]"""
    max_current: Annotated[float, Meta(gt=0, le=10)]
    """[A]; above 10 the stock firmware faults."""


class PupperCodec:
    """Fits `Codec`. Raises SpecError for settings out of bounds or another number of joints."""

    due = math.inf

    def __init__(self, config: GateConfig) -> None:
        if len(config.names) != JOINTS:
            raise SpecError(f"Pupper has {JOINTS} joints, not {len(config.names)}")
        try:
            self._settings = msgspec.convert(config.settings, PupperSettings)
        except msgspec.ValidationError as error:
            raise SpecError(f"Pupper's gains: {error}") from None
        self._parser, self._plausibility = TelemetryParser(), Plausibility()
        self.line = ""
        """The newest line of text from the firmware."""

    @property
    def rejected(self) -> int:
        """How many frames decoded but were implausible."""
        return self._plausibility.rejected

    def poll(self, now: float) -> Sequence[bytes]:
        """Nothing: telemetry comes by itself."""
        return ()

    def flush(self) -> Sequence[bytes]:
        """Nothing: no frame waits."""
        return ()

    def feed(self, data: bytes, now: float) -> Iterator[Telemetry | GateFault]:
        """The plausible states in what arrived at `now` [s], and the faults that implausible ones and texts mean."""
        for frame in self._parser.feed(data, now):
            if self._plausibility.accept(frame):
                yield frame
            elif self._plausibility.fault:
                yield GateFault(self._plausibility.fault, homed=not self._plausibility.rebooted)
        for text in self._parser.take_lines():
            self.line = text
            if any(alarm in text for alarm in ALARMS):
                yield GateFault(f"the firmware says {text!r}", alarm=True)

    def encode(self, write: Write) -> Sequence[bytes]:
        """The frames of one decision."""
        match write.kind:
            case "target":
                return [encode_target(write.target)]
            case "arm":
                return [*[IDLE] * FLUSH, self._gains(self._settings.kp), encode_target(write.target)]
            case "damp":
                return [self._gains(0.0)]
            case "redamp":
                return [self._gains(0.0)] * FLUSH
        return [IDLE] * {"clear": 1, "cut": FLUSH, "release": FAREWELL}[write.kind]

    def _gains(self, kp: float) -> bytes:
        return encode_gains(kp, self._settings.kd, self._settings.max_current)
