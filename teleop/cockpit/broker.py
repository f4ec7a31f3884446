"""Between the loop and the pages: shows every page what the loop shows, and passes on what people do."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from leash_robot.teleop.cockpit.disk import Disk
from leash_robot.teleop.cockpit.lease import Lease
from leash_robot.teleop.cockpit.messages import Asked, Audience, BodyInfo, Hands, Upward, View
from leash_robot.teleop.cockpit.page import Asking, FrameSeen, Holding, Message, PageClock, Wheel, held
from leash_robot.teleop.cockpit.send_queue import Outbox
from leash_robot.teleop.operator import Event

ANYBODY = frozenset({Event.ESTOP, Event.SUCCESS, Event.FAIL, Event.DISCARD, Event.UNDO, Event.NOTE})
"""What also those who do not drive may ask."""

SILENT = 5.0
"""A page that says nothing for this long is gone [s]."""


@dataclass(eq=False)
class Page:
    """One connection."""

    number: int
    heard: float
    """When it last said anything [s]."""
    outbox: Outbox = field(default_factory=Outbox)
    clock: PageClock = field(default_factory=PageClock)
    body: BodyInfo | None = None
    """What it was told about the robot."""


class Hub:
    """All open pages. Everything here returns at once."""

    def __init__(self, tell: Callable[[Upward], None], controls: Mapping[str, Any], disk: Disk) -> None:
        """`tell` hands a message to the loop; `controls` is what every page is told about keys and buttons."""
        self._tell = tell
        self._controls = dict(controls)
        self._disk = disk
        self._minutes = math.nan
        self._numbers = itertools.count(1)
        self._lease = Lease()
        self._grip = 0
        self._view: View | None = None
        self._viewed = -math.inf
        self.pages: list[Page] = []

    def join(self, now: float) -> Page:
        """A page was opened. It drives if nobody does."""
        page = Page(next(self._numbers), now)
        self.pages.append(page)
        hello = {"kind": "hello", "free": sorted(ANYBODY), **self._controls}
        page.outbox.say(msgspec.json.encode(hello))
        self._lease.take(page.number)
        self._moved()
        return page

    def leave(self, page: Page) -> None:
        """A page was closed. What it held is let go at once, and nobody inherits it without asking."""
        if page not in self.pages:
            return
        self.pages.remove(page)
        page.outbox.stirred.set()
        self._lease.give(page.number)
        self._moved()

    def show(self, view: View, now: float) -> None:
        """The loop made a tick."""
        self._view, self._viewed = view, now
        self._disk.saw(view)
        for page in self.pages:
            page.outbox.offer(view.sample, view.frames)

    def beat(self, now: float) -> list[Page]:
        """Twice a second: let the pages see that we live even if the loop does not; returns those that are gone."""
        self._minutes = self._disk.minutes()
        self._tell(Audience(len(self.pages)))
        for page in self.pages:
            page.outbox.offer(None)
        return [page for page in self.pages if now - page.heard > SILENT]

    def take(self, page: Page, message: Message, now: float) -> None:
        """A page said something; one that was let go of meanwhile is not heard, so that it cannot take the wheel."""
        if page not in self.pages:
            return
        page.heard = now
        match message:
            case Holding():
                self._hold(page, message, now)
            case Asking(event, note):
                self._ask(page, event, note)
            case Wheel(want):
                self._steer(page, want)
            case FrameSeen(numbers, echo, held):
                page.clock.echoed(echo, held / 1e3, now)
                page.outbox.seen(numbers)

    def messages(self, page: Page, now: float) -> list[str | bytes]:
        """What goes to a page now: text is JSON, bytes are frames."""
        lines = [line.decode() for line in page.outbox.lines]
        page.outbox.lines.clear()
        number = page.outbox.next_view()
        views = [] if number is None else [self._described(page, number, now).decode()]
        return [*lines, *views, *page.outbox.next_frames()]

    def farewell(self, text: str, *, failed: bool = False) -> None:
        """Say why no more will come."""
        for page in self.pages:
            page.outbox.say(msgspec.json.encode({"kind": "bye", "text": text, "failed": failed}))

    def _hold(self, page: Page, holding: Holding, now: float) -> None:
        page.clock.heard(holding.now / 1e3, now)
        if self._lease.holder == page.number:
            devices = tuple(held(device, holding.now, page.clock, now) for device in holding.devices)
            self._tell(Hands(self._lease.grip, holding.attentive, devices))

    def _ask(self, page: Page, event: Event, note: str) -> None:
        if event in ANYBODY or self._lease.holder == page.number:
            self._tell(Asked(event, note))
        else:
            self._refuse(page, f"{event}: only the driver can; take the wheel first")

    def _steer(self, page: Page, want: str) -> None:
        if want == "give":
            self._lease.give(page.number)
        elif not self._lease.take(page.number, steal=want == "steal"):
            self._refuse(page, "somebody else drives; press again to take the wheel from them")
        self._moved()

    def _moved(self) -> None:
        """Somebody came or went or took the wheel: in other hands, nothing is held until they say so."""
        if self._grip != self._lease.grip:
            self._grip = self._lease.grip
            self._tell(Hands(self._grip))
        self._tell(Audience(len(self.pages)))
        for page in self.pages:
            page.outbox.offer(None)

    def _refuse(self, page: Page, text: str) -> None:
        page.outbox.say(msgspec.json.encode({"kind": "refused", "text": text}))

    def _described(self, page: Page, number: int, now: float) -> bytes:
        """A view as this page gets it."""
        view, holder = self._view, self._lease.holder
        described: dict[str, Any] = {
            "kind": "view",
            "number": number,
            "time": now,
            "pages": len(self.pages),
            "driver": "nobody" if holder is None else "you" if holder == page.number else "other",
            "trip": page.clock.trip,
            "disk": self._minutes,
            "samples": list(page.outbox.samples),
        }
        page.outbox.samples.clear()
        if view is not None:
            described |= {"tick": view.number, "since": now - self._viewed, "status": view.status, "past": view.past}
            if page.body != view.body:
                page.body = described["body"] = view.body
        return msgspec.json.encode(described)
