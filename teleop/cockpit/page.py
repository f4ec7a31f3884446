"""What a page says to the cockpit's process, and what its time stamps mean by our clock."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from leash_robot.teleop.cockpit.messages import Deflection, Held
from leash_robot.teleop.devices.sticks import Feel
from leash_robot.teleop.operator import Event

QUIET = 1.0
"""A gamepad that drives and reports not the slightest change for this long has been lost by its receiver [s]: no thumb
keeps a stick perfectly still, but a pad that went away does."""

SPAN = 10.0
"""The shortest way of a message is looked for over this long, and over the span before [s]."""

LARGEST = 4096
"""Bytes of a message from a page."""

Millis = Annotated[float, Meta(ge=0.0, le=1e13)]
"""Time on the page's own clock, performance.now() [ms]."""

FEEL = Feel()


class PageDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input device of a page."""

    name: Literal["keyboard", "touch", "gamepad"]
    serial: Annotated[int, Meta(ge=0, le=10**9)]
    """Another one whenever the device is connected."""
    changed: Millis
    """When it last reported anything new."""
    engaged: bool = False
    """Whether the dead-man is held."""
    forward: Deflection = 0.0
    left: Deflection = 0.0
    turn: Deflection = 0.0


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="holding", tag_field="kind"):
    """The state of the page's input devices; the driver's page sends it 50 times a second."""

    now: Millis
    attentive: bool
    """Whether the page is visible and in focus."""
    devices: Annotated[list[PageDevice], Meta(max_length=8)]


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="asking", tag_field="kind"):
    """A key or button that counts once."""

    event: Event
    note: Annotated[str, Meta(max_length=500)] = ""


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="wheel", tag_field="kind"):
    """Asks for the driver lease, or gives it back."""

    want: Literal["take", "steal", "give"]


class FrameSeen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="seen", tag_field="kind"):
    """The page has dealt with these messages; more may come."""

    numbers: Annotated[list[int], Meta(max_length=64)]
    echo: float
    """Our own time that the newest view carried [s]."""
    held: Annotated[float, Meta(ge=0.0, le=1e7)]
    """How long ago that view came [ms]."""


Message = Holding | Asking | Wheel | FrameSeen

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def decode_message(text: str | bytes) -> Message:
    """What a page said. Raises msgspec.MsgspecError when it said nothing that a page says."""
    return _decoder.decode(text)


@dataclass
class Shortest:
    """The smallest value of late: over the running span of time and the one before it."""

    now: float = math.inf
    before: float = math.inf
    until: float = -math.inf

    def take(self, value: float, time: float) -> float:
        """Note a value at a time [s]; the smallest one lately."""
        if time >= self.until:
            self.before, self.now, self.until = self.now, math.inf, time + SPAN
        self.now = min(self.now, value)
        return min(self.now, self.before)


@dataclass
class PageClock:
    """Tells when something happened on a page, by our monotonic clock.

    The message that came the shortest way tells how the two clocks differ, up to that way, which is taken as half of
    the shortest round trip. A message held up on the way is therefore as old as it is, and a burst of them does not
    look like a person who is there.
    """

    ways: Shortest = field(default_factory=Shortest)
    trips: Shortest = field(default_factory=Shortest)
    offset: float = math.nan
    """Our clock minus the page's, the shortest way included [s]."""
    trip: float = 0.0
    """The shortest round trip lately [s]."""

    def heard(self, page: float, now: float) -> None:
        """Note that a message stamped `page` by the page's clock arrived at `now` [s]."""
        self.offset = self.ways.take(now - page, now)

    def echoed(self, sent: float, held: float, now: float) -> None:
        """Note that something sent at `sent` was held by the page for `held` and came back at `now` [s]."""
        if sent >= 0.0 and sent + held <= now:
            self.trip = self.trips.take(now - sent - held, now)

    def time(self, page: float, now: float) -> float:
        """Our time [s] of the page's time `page` [s]; never later than `now`."""
        return min(page + self.offset - self.trip / 2, now)


def sign_of_life(device: PageDevice, now: float) -> float:
    """The page's time at which a device was certainly alive, at the page's time `now` [ms].

    The page's own timer vouches for keys and fingers, which the system lets go when their device goes away.
    """
    driving = device.engaged or any((device.forward, device.left, device.turn))
    lost = device.name == "gamepad" and driving and now - device.changed > QUIET * 1e3
    return device.changed if lost else now


def held(device: PageDevice, now: float, clock: PageClock, arrived: float) -> Held:
    """A device as the loop gets it: stamped by our clock, its sticks as they are meant.

    `now` is the page's time of the message [ms], `arrived` ours [s].
    """
    time = clock.time(sign_of_life(device, now) / 1e3, arrived)
    axes = (device.forward, device.left, device.turn)
    forward, left, turn = axes if device.name == "keyboard" else (FEEL.shaped(axis) for axis in axes)
    return Held(device.name, device.serial, time, device.engaged, forward, left, turn)
