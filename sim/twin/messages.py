"""What the twin's owner and the twin's process say to each other; never over the serial line."""

import socket
from typing import Literal

import msgspec

from leash_robot.sim.firmware.firmware import Variant
from leash_robot.sim.twin.dynamics import TwinDynamics

LONGEST = 1 << 16
Boot = Literal["homed", "cold"]


class StartRequest(msgspec.Struct, frozen=True, tag=True):
    """How the twin is to be; the first message."""

    dynamics: TwinDynamics
    seed: int
    firmware: Variant
    boot: Boot
    link: str | None


class PlaceRequest(msgspec.Struct, frozen=True, tag=True):
    """Put the robot upright on the floor."""


class PowerCycle(msgspec.Struct, frozen=True, tag=True):
    """Switch it off and on."""


class Push(msgspec.Struct, frozen=True, tag=True):
    """Change the body's velocity [m/s]."""

    velocity: tuple[float, float, float]


class Change(msgspec.Struct, frozen=True, tag=True):
    """Become another machine."""

    dynamics: TwinDynamics


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The answer to Start: where the robot can be reached."""

    address: str


class RequestDone(msgspec.Struct, frozen=True, tag=True):
    """The answer to every other request."""


class RequestFailed(msgspec.Struct, frozen=True, tag=True):
    """What went wrong, in one line."""

    reason: str


Request = StartRequest | PlaceRequest | PowerCycle | Push | Change
Answer = Ready | RequestDone | RequestFailed

_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def send(line: socket.socket, message: Request | Answer) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    line.send(msgspec.msgpack.encode(message))


def receive_request(line: socket.socket) -> Request | None:
    """The next request, or None when the owner is gone."""
    data = line.recv(LONGEST)
    return _requests.decode(data) if data else None


def receive_answer(line: socket.socket) -> Answer | None:
    """The next answer, or None when the process is gone."""
    data = line.recv(LONGEST)
    return _answers.decode(data) if data else None
