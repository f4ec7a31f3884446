"""What the loop and the cockpit's process say to each other, over two ZeroMQ sockets of this machine.

    loop (PUSH)  ->  View                       newest wins, so that neither side ever waits
    loop (PULL)  <-  Hands, Asked, Audience     every one counts

Times are monotonic [s]. Nothing here leaves the machine: the page gets JSON and JPEG from the cockpit's process.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.robot.types import Source
from leash_robot.teleop.operator import Event

Deflection = Annotated[float, Meta(ge=-1.0, le=1.0)]


class BodyInfo(msgspec.Struct, frozen=True):
    """The robot, as far as plots need it."""

    name: str
    rate: float
    """Ticks a second."""
    joints: tuple[str, ...]
    """Their names; none where a person is guided and no robot is shown."""
    cameras: tuple[str, ...]
    """Names of the cameras that the body can have; which of them deliver is seen from the frames."""


class ShownFrame(msgspec.Struct, frozen=True):
    """A camera frame on its way to the page, untouched."""

    camera: str
    time: float
    """Time of capture [s]."""
    jpeg: bytes


class PlotSample(msgspec.Struct, frozen=True):
    """One tick, as numbers for the plots."""

    time: float
    """When the tick was handed over [s]."""
    late: float
    """[s]"""
    age: float
    """How old the joint state was [s]."""
    source: Source
    """Who decided what was sent."""
    joint_pos: tuple[float, ...]
    """(n,) [rad]"""
    sent: tuple[float, ...]
    """(n,) target that went out [rad]."""
    command: tuple[float, ...]
    """(3,) body velocity asked: m/s, m/s, rad/s; NaN where none was."""
    turning: float
    """Measured yaw rate [rad/s]."""
    tilt: float
    """Angle between the body's and the world's vertical [rad]; NaN without an IMU."""
    risk: float
    """The policy's own doubt, 0..1 or NaN."""


class PlotHistory(msgspec.Struct, frozen=True):
    """A takeover that has happened."""

    number: int
    reason: str
    time: float
    """When it began [s]."""
    seconds: float
    """How long it lasted, or has lasted so far."""


class Status(msgspec.Struct, frozen=True):
    """What a person must know besides the ticks. Whoever composes a session fills in what applies to it."""

    state: str = "idle"
    """Of the recording: idle, recording, stopped; done once the loop has ended; busy where nothing can be recorded now,
    asked where a person is to do what the hint says and to confirm it by `success`."""
    index: int | None = None
    """Number of the running or the last episode."""
    seconds: float = 0.0
    """Length of it [s]."""
    outcome: str = "unlabelled"
    """Label of the last episode."""
    kept: int = 0
    """Episodes that were recorded and not discarded."""
    enough: int = 0
    """How many are wanted; 0 when nobody counts."""
    undo_left: float = 0.0
    """How long the last label can still be changed [s]."""
    hint: str = ""
    """What the person can do now; empty where the page knows by itself."""
    warnings: tuple[str, ...] = ()
    """What is wrong and what to do about it, one line each."""
    armed: bool = False
    """Whether the driver's device has rested, so that holding the dead-man drives."""
    stopped: bool = False
    """Whether the robot is kept in its soft stop until a person re-arms it."""
    takeover: int = 0
    """Number of the running or the last takeover; 0 before the first, and where no policy drives."""
    taken: bool = False
    """Whether that takeover still runs."""
    reason: str = ""
    """Why it happened."""
    request: str = ""
    """Why a person's help is asked; empty when it is not."""
    policy: str = ""
    """What walks or decides, by name."""
    policy_time: float = float("nan")
    """How long the policy server took for its last answer [s]; NaN where there is none."""
    policy_lost: float = float("nan")
    """Share of the answers that came too late; NaN where there is no server."""
    shared: bool = False
    """Whether a policy drives and a person may take over."""
    stops: int = 0
    """How often the robot was stopped: by a person, the gate, a fall, or for want of an operator."""
    cause: str = ""
    """Why it was stopped; empty while it is not."""
    refused: str = ""
    """Why the last re-arm was refused; empty when it was not."""


class View(msgspec.Struct, frozen=True):
    """One tick, with everything that the page shows."""

    number: int
    """Counts the ticks, so that lost ones are seen."""
    body: BodyInfo
    sample: PlotSample
    status: Status
    past: tuple[PlotHistory, ...] = ()
    """The last takeovers, newest first."""
    frames: tuple[ShownFrame, ...] = ()
    """Frames that were not in an earlier view; none while nobody watches."""


class Held(msgspec.Struct, frozen=True):
    """An input device of the driver's page."""

    name: str
    """keyboard, touch or gamepad."""
    serial: int
    """Changes whenever the device is connected again."""
    time: float
    """Its own last sign of life [s]."""
    engaged: bool = False
    """Whether its dead-man is held."""
    forward: Deflection = 0.0
    left: Deflection = 0.0
    turn: Deflection = 0.0


class Hands(msgspec.Struct, frozen=True, tag="hands"):
    """What the driver holds."""

    grip: int
    """Changes whenever the wheel comes into other hands, be it the same page after it was away."""
    attentive: bool = False
    """Whether the page is in front of the person: visible and in focus."""
    devices: tuple[Held, ...] = ()


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """Something that a person asked once."""

    event: Event
    note: str = ""


class Audience(msgspec.Struct, frozen=True, tag="audience"):
    """How many pages are open."""

    pages: int


class PageSetup(msgspec.Struct, frozen=True):
    """What the cockpit's process is started with; it comes by standard input, for the token is nobody else's."""

    listener: int
    """File descriptor of the listening socket."""
    names: tuple[str, ...]
    """The names under which it may be reached, besides loopback and the addresses at which requests arrive."""
    token: str
    views: str
    """Endpoint where views arrive."""
    hands: str
    """Endpoint that takes what people do."""
    folder: str
    """Where the recordings go, for the disk's sake."""
    keys: dict[str, str]
    """Key by action."""
    nice: int = 0


class SessionEnding(msgspec.Struct, frozen=True):
    """How the session ended: the last that the cockpit's process hears on its standard input."""

    text: str
    failed: bool = False


Upward = Hands | Asked | Audience

_encoder = msgspec.msgpack.Encoder()
_views: msgspec.msgpack.Decoder[View] = msgspec.msgpack.Decoder(View)
_upward: msgspec.msgpack.Decoder[Upward] = msgspec.msgpack.Decoder(Upward)


def encode(message: View | Upward) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def decode_view(data: bytes) -> View:
    """What the loop showed."""
    return _views.decode(data)


def decode_upward(data: bytes) -> Upward:
    """What the cockpit's process passed on."""
    return _upward.decode(data)
