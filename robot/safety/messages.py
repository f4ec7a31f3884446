"""What the driver and the gate say to each other, one message a packet; and what the gate must know to begin.

Everything here is in the firmware's own angles: the driver applies the calibration on its side.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from leash_robot.robot.errors import SpecError

Angles = tuple[float, ...]
"""(n,) one number a joint."""
Finite = Annotated[float, Meta(ge=-1e3, le=1e3)]
Bounds = Annotated[tuple[Finite, ...], Meta(min_length=1, max_length=64)]
"""(n,) as many as there are joint names."""
StopKind = Literal["soft", "person", "planned"]
"""A soft stop is held before it is damped, and latched. A person's is damped sooner, and stops a homing, too. A planned
one, of a robot that lies, is not latched."""
Phase = Literal["disarmed", "armed", "soft_stop", "damped", "off"]


class Telemetry(msgspec.Struct, frozen=True, array_like=True):
    """One state of the joints, as the robot's controller saw it. n joints."""

    time: float
    """Monotonic time of arrival [s]."""
    ts: float
    """The controller's own clock, since its boot [ms]."""
    pos: tuple[float, ...]
    """(n,) [rad]"""
    vel: tuple[float, ...]
    """(n,) [rad/s]"""
    imu: tuple[float, ...] | None = None
    """(6,) roll, pitch, yaw [rad], then their rates [rad/s]; None without an IMU."""
    cur: tuple[float, ...] | None = None
    """(n,) measured current [A], from firmware that sends it."""
    mode: int | None = None
    """What the firmware does, by a number of its own, from firmware that sends it."""
    extra: dict[str, tuple[float, ...]] = {}
    """What else this kind of robot measures, by name: supply voltage, temperatures."""


class GateConfig(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The first message: port, limits, timeouts. Timeouts can be shortened, but not raised above the caps."""

    port: str
    codec: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """The class that speaks this robot's protocol, as MODULE:CLASS; it fits `leash_robot.robot.safety.codec.Codec`."""
    names: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    """Joint names, for messages to people."""
    lower: Bounds
    """Smallest targets [rad]."""
    upper: Bounds
    step: Bounds
    """Largest change of a target from one command to the next [rad]."""
    rest_lower: Bounds
    """Smallest angles at rest, where a robot that homed itself just now must lie [rad]."""
    rest_upper: Bounds
    settings: dict[str, Finite | str | tuple[Finite, ...]] = {}
    """What the codec must know beside: gains, current limits, ids; it checks them."""
    baud: Annotated[int, Meta(gt=0, le=10_000_000)] = 500_000
    """Of the serial port [bit/s]."""
    boot: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    """A controller younger than this may be homing, so the robot must come to lie in its rest pose; 0 for a robot
    that does not home [ms]."""
    retreat: Annotated[float, Meta(ge=0, le=2)] = 0.0
    """Speed at which a robot that falls without current is led to its rest pose, before current goes off; 0 for one
    whose joints sink softly where they are [rad/s]."""
    tick: Annotated[float, Meta(gt=0, le=1)] = 0.05
    """Length of a tick [s]."""
    hold_after: Annotated[float, Meta(gt=0, le=0.2)] = 0.15
    """Soft stop this long after the last valid command [s]."""
    damp_after: Annotated[float, Meta(gt=0, le=1.0)] = 0.5
    """Damped this long after the last valid command [s]."""
    ttl: Annotated[float, Meta(gt=0, le=0.1)] = 0.1
    """No command lives longer than this [s]."""
    stale: Annotated[float, Meta(gt=0, le=0.1)] = 0.1
    """Telemetry older than this stops the robot [s]."""
    serial: str = ""
    """Serial number of the robot's USB device, by which it is found under another port's name; empty where unknown."""
    inherited: bool = False
    """Whether an earlier gate may have left current on, which this one must then switch off."""


def check(config: GateConfig) -> GateConfig:
    """Return a config that came over the wire once its parts fit each other. Raises SpecError."""
    counts = {len(part) for part in (config.names, config.lower, config.upper, config.step)}
    if len(counts | {len(config.rest_lower), len(config.rest_upper)}) != 1:
        raise SpecError(f"the gate was given bounds of other sizes than its {len(config.names)} joints")
    if any(low > high for low, high in zip(config.lower, config.upper, strict=True)) or min(config.step) <= 0:
        raise SpecError("the gate was given a range that is empty or a step that is not positive")
    if config.damp_after < config.hold_after:
        raise SpecError(f"damp_after {config.damp_after} s must not come before hold_after {config.hold_after} s")
    return config


class Arm(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Begin a session, holding until its first command: from standstill, or from another session."""

    session: int
    """Greater than every earlier one."""
    person: bool
    """Whether a person consents; without, a latched gate stays latched."""
    presses: int = 0
    """How often a person had stopped the robot when they consented; a later stop is not ended by that."""


class Command(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Where the joints should go next."""

    session: int
    seq: int
    """Greater than every earlier one of the session."""
    time: float
    """Monotonic time at which it was made [s]."""
    ttl: float
    """Useless when older than this [s]."""
    target: Angles
    """(n,) [rad]"""


class Stop(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Stop now."""

    cause: str
    kind: StopKind = "soft"


class Ack(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The answer to one Arm (seq 0) or Command."""

    session: int
    seq: int
    refusal: str
    """Why it was refused; empty when it was taken."""
    target: Angles
    """(n,) the target last sent [rad]; empty before the first."""
    armed: bool = False
    """Whether the gate goes on taking commands."""


class GateReport(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What the gate sees and does; with every telemetry frame, every change, and at least 20 times a second."""

    phase: Phase = "disarmed"
    latched: bool = False
    """Whether only a person may go on."""
    cause: str = ""
    """Why it stopped."""
    ready: bool = False
    """Whether homing is over and the robot may be armed."""
    waiting: str = "the gate has not reported yet"
    """What readiness waits for."""
    stops: int = 0
    """How often the gate has stopped the robot by itself."""
    rejected: int = 0
    """How many frames decoded but were implausible."""
    line: str = ""
    """The newest line of text from the firmware."""
    target: Angles = ()
    """(n,) the target last sent [rad]; empty before the first."""
    frame: Telemetry | None = None
    """The newest plausible state."""
    session: int = 0
    """Newest session that was armed."""
    seq: int = 0
    """Number of the last command of that session that was sent on; 0 before the first."""
    connected: bool = True
    """Whether the port is open."""


class Unopened(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The port could not be opened at the start; the gate ends."""

    errno: int
    reason: str


ToGate = GateConfig | Arm | Command | Stop
FromGate = Ack | GateReport | Unopened
