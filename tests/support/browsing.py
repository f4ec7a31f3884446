"""A loop with a cockpit, and people in front of real and simulated pages, for tests."""

import contextlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import pytest
from websockets import Origin
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick
from leash_robot.teleop.cockpit.client import Cockpit, CockpitOptions
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.cockpit.operator import BrowserOperator
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Event

SPEC = load_spec()
PATIENCE = 30.0


class Walk:
    """Fits `Policy`: leans with the command, so that a driven robot moves."""

    def __init__(self) -> None:
        self._stand = Stand(SPEC)

    def reset(self) -> None:
        self._stand.reset()

    def act(self, obs: Observation) -> Action:
        action = self._stand.act(obs)
        action.joint_pos[1::3] += 0.5 * obs.command[0]
        return action


@dataclass
class Show:
    """A fake robot in real time with a cockpit, in a thread, and what happened there."""

    cockpit: Cockpit
    drive: Drive
    status: Status = field(default_factory=Status)
    ticks: deque[Tick] = field(default_factory=lambda: deque(maxlen=2000))
    events: list[Event] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def renewed(self) -> Self:
        """As if it had just begun: no page is open, nothing was asked, the robot stands."""
        self.next(lambda _: not self.cockpit.pages)
        self.status = Status()
        self.drive.stop()
        self.drive.rearm()
        self.next(lambda tick: tick.wanted.source != "safety")
        self.ticks.clear()
        self.events.clear()
        return self

    def add(self, tick: Tick) -> None:
        self.ticks.append(tick)
        self.events.extend(self.drive.intent.events)

    def now(self) -> Status:
        return self.status

    def until(self, reached: Callable[[Tick], bool]) -> Tick:
        """Wait for a tick of which something is true, and return it."""
        deadline = time.monotonic() + PATIENCE
        seen = 0.0
        while time.monotonic() < deadline:
            for tick in list(self.ticks):
                if tick.obs.time > seen and reached(tick):
                    return tick
            time.sleep(0.01)
        raise AssertionError(f"never came; the last tick was {self.ticks[-1].wanted if self.ticks else None}")

    def next(self, reached: Callable[[Tick], bool]) -> Tick:
        """The same of the ticks from now on."""
        begun = time.monotonic()
        return self.until(lambda tick: tick.obs.time > begun and reached(tick))

    def hears(self, event: Event) -> None:
        """Wait until somebody asked for something."""
        self.until(lambda _: event in self.events)


def driven(tick: Tick) -> bool:
    """Whether a person drove."""
    return tick.wanted.source == "human" and bool(tick.wanted.command.any())


def released(tick: Tick) -> bool:
    """Whether nobody held the dead-man."""
    return tick.wanted.source != "human" or not tick.wanted.command.any()


@contextlib.contextmanager
def show(folder: Path, *, images: bool = True) -> Iterator[Show]:
    """Run the loop until the block is left."""
    with Cockpit(CockpitOptions(folder, port=0)) as cockpit, FakeRobot(SPEC, MonotonicClock(), images=images) as robot:
        drive = Drive(BrowserOperator(cockpit), Walk(), clock=MonotonicClock())
        shown = Show(cockpit, drive)
        log = CockpitLog(cockpit, SPEC, shown.now)

        def done(tick: Tick) -> bool:
            shown.add(tick)
            return shown.over.is_set() or drive.rearmed

        def loop() -> None:
            while not shown.over.is_set():
                robot.reset()
                run(robot, drive, log, done=done)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield shown
        finally:
            shown.over.set()
            thread.join()


class Address(Protocol):
    """Where a page is."""

    @property
    def url(self) -> str:
        """With its token."""
        ...


@dataclass
class Printed:
    """Where the page is, as far as the terminal tells."""

    url: str


def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Wait for the page's address."""
    told, deadline = "", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told += capsys.readouterr().err
        if found := re.search(r"http://\S+/\s", told):
            return Printed(found.group().strip())
        time.sleep(0.02)
    raise AssertionError(f"no address was printed: {told}")


class Visitor:
    """A page without a browser: says what it is told to say, and acknowledges what it sees."""

    def __init__(self, cockpit: Address, origin: str | None = None) -> None:
        address = cockpit.url.replace("http://", "ws://") + "socket"
        own = cockpit.url.rsplit("/", 2)[0]
        opening = connect(address, origin=Origin(origin or own), max_size=None, compression=None)
        self._open = contextlib.ExitStack()
        self.socket: ClientConnection = self._open.enter_context(opening)
        self.views: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.frames: list[tuple[dict[str, Any], bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def say(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def asks(self, event: Event, note: str = "") -> None:
        self.say(kind="asking", event=event, note=note)

    def holds(self, *devices: dict[str, Any], attentive: bool = True, now: float | None = None) -> None:
        at = time.monotonic() * 1e3 if now is None else now
        self.say(kind="holding", now=at, attentive=attentive, devices=[{"changed": at, **each} for each in devices])

    def looks(self, *, acknowledge: bool = True) -> dict[str, Any] | bytes:
        """Take in one message."""
        message = self.socket.recv(timeout=PATIENCE)
        if isinstance(message, bytes):
            length = int.from_bytes(message[:2], "little")
            head = json.loads(message[2 : 2 + length])
            self.frames.append((head, message[2 + length :]))
        else:
            head = json.loads(message)
            (self.views if head["kind"] == "view" else self.lines).append(head)
        if acknowledge and "number" in head:
            echo = self.views[-1]["time"] if self.views else 0.0
            with contextlib.suppress(ConnectionClosed):  # what came before the end can still be looked at
                self.say(kind="seen", numbers=[head["number"]], echo=echo, held=0.0)
        return message if isinstance(message, bytes) else head

    def sees(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look until a message is what is awaited."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.looks()
            if isinstance(message, dict) and wanted(message):
                return message
        raise AssertionError(f"never seen; the last view was {self.views[-1] if self.views else None}")
