"""What waits to go to one page: the newest of everything, so that a slow page gets less and never gets it late."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import msgspec

from leash_robot.teleop.cockpit.messages import PlotSample, ShownFrame

AHEAD = {"view": 8, "frame": 3}
"""So many messages of a kind (of a camera, for frames) may be on their way before the page has dealt with them."""

SAMPLES = 100
"""So many ticks are kept for a page that is slow."""


class FrameHead(msgspec.Struct, frozen=True):
    """What goes before the JPEG of a frame."""

    number: int
    camera: str
    time: float
    """Time of capture [s]."""


def framed(head: FrameHead, jpeg: bytes) -> bytes:
    """A frame as one binary message: length of the head (two bytes, little-endian), the head as JSON, the JPEG."""
    text = msgspec.json.encode(head)
    return len(text).to_bytes(2, "little") + text + jpeg


@dataclass
class Outbox:
    """One page's share. `offer` and `say` put in, `take` gives what may be sent now."""

    samples: deque[PlotSample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    """Ticks since the last view that went out."""
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be something to send."""
    frames: dict[str, ShownFrame] = field(default_factory=dict)
    """The newest frame of each camera that has not gone out."""
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=20))
    """Answers to what the page did, oldest first."""
    due: bool = False
    """Whether the page shall have a new view."""
    _under_way: dict[int, str] = field(default_factory=dict)
    _number: int = 0

    def offer(self, sample: PlotSample | None, frames: tuple[ShownFrame, ...] = ()) -> None:
        """There is something new to see; replaces what has not gone out yet."""
        self.samples.extend([] if sample is None else [sample])
        self.frames |= {frame.camera: frame for frame in frames}
        self.due = True
        self.stirred.set()

    def say(self, line: bytes) -> None:
        """Put in a message that is not to be replaced."""
        self.lines.append(line)
        self.stirred.set()

    def seen(self, numbers: list[int]) -> None:
        """The page has dealt with these messages."""
        for number in numbers:
            self._under_way.pop(number, None)
        self.stirred.set()

    def next_view(self) -> int | None:
        """The number of a view to be sent now, if there shall be one and the page keeps up."""
        if not self.due or not self._room("view", "view"):
            return None
        self.due = False
        return self._sent("view")

    def next_frames(self) -> list[bytes]:
        """The frames to be sent now, as messages."""
        ready = [name for name in self.frames if self._room("frame", f"frame {name}")]
        taken = [self.frames.pop(name) for name in ready]
        return [
            framed(FrameHead(self._sent(f"frame {each.camera}"), each.camera, each.time), each.jpeg) for each in taken
        ]

    def _room(self, kind: str, lane: str) -> bool:
        return sum(its == lane for its in self._under_way.values()) < AHEAD[kind]

    def _sent(self, lane: str) -> int:
        self._number += 1
        self._under_way[self._number] = lane
        return self._number
