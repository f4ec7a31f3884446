"""What the gate remembers, what can happen to it, and what it writes."""

import math
from typing import Literal

import msgspec

from leash_robot.robot.safety.messages import Ack, Angles, Arm, Command, Phase, Stop, Telemetry


class GateFault(msgspec.Struct, frozen=True):
    """Something that the gate depends on failed."""

    cause: str
    homed: bool = True
    """False when the robot may have to home again: the port or the firmware went away."""
    alarm: bool = False
    """True when the firmware says that it has switched the motors off."""


class Leave(msgspec.Struct, frozen=True):
    """The driver is gone, or the gate was asked to end."""

    cause: str


class Write(msgspec.Struct, frozen=True):
    """One decision for the port.

    "arm" switches the current on, to hold `target`, after whatever a protocol needs before anything else. "target" is
    where to go next. "damp" makes the robot yield: joints sink softly, or follow `target` with reduced torque; "redamp"
    does so after a reconnection, when the receiver may have lost step. "release" switches the current off for good.
    "clear" ends an alarm of the firmware's. "cut" ends its homing.
    """

    kind: Literal["arm", "target", "damp", "redamp", "release", "clear", "cut"]
    target: Angles = ()


class GateState(msgspec.Struct, frozen=True):
    """Everything the gate remembers."""

    phase: Phase = "disarmed"
    latched: bool = False
    cause: str = ""
    stops: int = 0
    session: int = 0
    seq: int = 0
    """Number of the last accepted command; 0 before the first of a session."""
    target: Angles = ()
    """(n,) the last target sent; empty when none was."""
    commanded: float = -math.inf
    """When the last command was accepted."""
    armed_at: float = math.inf
    damp_at: float = math.inf
    """When the next damping frame is due."""
    off_at: float = math.inf
    """When the current goes off for good; infinite unless leaving."""
    malformed: tuple[float, ...] = ()
    """When the latest malformed commands came."""
    frame: Telemetry | None = None
    alarm: tuple[float, str] = (-math.inf, "")
    """When the firmware's latest alarm came, and what it was."""
    healthy_since: float = math.inf
    still_since: float = math.inf
    still_pose: Angles = ()
    ready: bool = False
    """Homing is over: only now may anything be written, unless a person stops the robot."""
    unhomed: float = math.inf
    """The controller's clock when a person stopped its homing: its zeros are wrong until it reboots [ms]."""
    ended: bool = False
    """Nothing is left to do."""
    presses: int = 0
    """How often a person has stopped the robot."""
    cut: bool = False
    """A person stopped a robot of which nothing was known: should it turn out to home, it is told to idle."""


Event = Telemetry | GateFault | Arm | Command | Stop | Leave | None
Writes = tuple[Write, ...]
Output = tuple[GateState, Writes, Ack | None]
