"""Guides a person through a calibration, in the terminal and at the cockpit's page; the first answer counts."""

import contextlib
import itertools
import math
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from msgspec.structs import replace
from rich.live import Live
from rich.prompt import Confirm

from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.reporting.output import console
from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.errors import CalibrationError, UsageError
from leash_robot.robot.types import Source
from leash_robot.teleop.brake import Brake
from leash_robot.teleop.cockpit.client import LOOPBACK, Cockpit
from leash_robot.teleop.cockpit.messages import Asked, BodyInfo, PlotSample, ShownFrame, Status, View
from leash_robot.teleop.operator import Event

DONE = frozenset({Event.START, Event.SUCCESS})
ENOUGH = "Success (or Enter) goes on with these views; STOP ends it."
ANSWER = "Press Success (or Enter) when that is done; STOP ends it, and nothing moves."
HEARING, SHOWN = 0.02, 5
"""The page is heard this often [s], and shown a view every so many times: it takes a loop for hung that shows none for
half a second."""
BEAT = HEARING * SHOWN
"""Between two views [s]."""

BODY = BodyInfo("calibration", 1 / BEAT, (), ())
EMPTY = PlotSample(0.0, 0.0, math.nan, "hold", (), (), (math.nan,) * 3, math.nan, math.nan, math.nan)
"""No robot's numbers: the procedure has the robot to itself. A page hides what it has for them."""


@dataclass(frozen=True)
class GuideOptions:
    """Where a person is guided, besides the terminal."""

    page: bool = False
    """Guide at a page in the browser, too: it shows each step, Success confirms it, STOP stops the robot at once."""
    page_host: str = LOOPBACK
    """Address at which --page is served. Leave it at loopback and come by `ssh -L` from other machines."""
    page_port: int | None = None
    """Port of the page; 8420, or another when that is in use."""


class OperatorGuide:
    """Fits `Guide`: in the terminal, and at a cockpit's page, where a thread of its own shows and hears the answers."""

    def __init__(self, cockpit: Cockpit | None = None) -> None:
        """The cockpit is opened by its owner, who leaves it alone while this is entered."""
        self._cockpit = cockpit
        self.brake = Brake()
        """Pulled by STOP at the page; whoever opens the robot hangs it on."""
        self._status = Status(state="busy", policy="calibration")
        self._pictures: deque[tuple[str, Image]] = deque(maxlen=1)
        self._done, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._screen: Live | None = None
        self.aborted = False
        """Whether a person stopped it at the page."""

    def __enter__(self) -> Self:
        if self._cockpit is not None:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._clear_screen()
        self._over.set()
        if self._cockpit is not None:
            self._thread.join()

    def say(self, text: str) -> None:
        """Tell at the page what happens; the terminal has a status line of its own."""
        self._clear_screen()
        self._tell(text, "busy")

    def note(self, text: str) -> None:
        """Print what was found."""
        console.print(text, highlight=False)

    def ask(self, text: str) -> None:
        """Wait until a person says that it is done. Raises UsageError where they do not, or nobody can."""
        console.print(text)
        if self._cockpit is None:
            ready = _confirmed()
        else:
            self._tell(f"{text}\n{ANSWER}", "asked")
            ready = self._answered()
        if not ready:
            raise UsageError("not ready; nothing was moved")
        self.say("")

    def agrees(self, cause: str) -> bool:
        """Fits `Agree`: ask at the page whether to go on after a stop, whose cause it shows."""
        if self._cockpit is None:
            return False
        console.print(f"{cause}\nsee to the robot; Success at the page lets it stand up again", highlight=False)
        self._tell(f"{cause}\nSee to the robot. Success lets it stand up again; STOP ends it.", "asked")
        while not self._done.wait(BEAT) and not self.brake.cause:
            pass
        self.say("")
        return not self.brake.cause

    def show(self, name: str, pixels: Pixels, text: str) -> None:
        """Show a camera's picture (h, w, 3) at the page and what to do before it; `enough` hears the answer."""
        if self._screen is None:
            self._screen = Live(console=console, refresh_per_second=8, transient=True)
            self._screen.start()
        self._screen.update(text)
        if self._cockpit is not None:
            self._pictures.append((name, Image(time.monotonic(), rgb=pixels)))
            self._tell(f"{text}\n{ENOUGH}", "asked")

    def enough(self) -> bool:
        """Whether somebody at the page wants to go on with what there is."""
        return self._done.is_set()

    def _clear_screen(self) -> None:
        """End what `show` draws in the terminal."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None

    def _tell(self, text: str, state: str) -> None:
        if self._status.state != state:
            self._done.clear()
        self._status = Status(state=state, hint=text, policy="calibration")

    def _answered(self) -> bool:
        """Whether it is done, by the terminal or by the page."""
        console.print("Ready? (y/n), or Success at the page: ", end="")
        while not self._done.wait(BEAT):
            if sys.stdin.isatty() and select.select([sys.stdin], [], [], 0.0)[0]:
                return sys.stdin.readline().strip().lower() in {"y", "yes"}
        console.print("yes, said the page")
        return True

    def _serve(self) -> None:
        """Note: nobody but this thread uses the cockpit."""
        for number in itertools.count():
            if self._cockpit is None or self._over.wait(HEARING):
                return
            for message in self._cockpit.heard():
                if isinstance(message, Asked):
                    self._hear(message.event)
            if number % SHOWN == 0:
                self._cockpit.show(self._view(number // SHOWN, watched=bool(self._cockpit.pages)))

    def _hear(self, event: Event) -> None:
        """A stop goes to the motors, and ends the procedure at its next tick. Where no robot is open it comes to the
        procedure as Ctrl-C does, and so does End.
        """
        if event in DONE and self._status.state == "asked":
            self._done.set()
        elif event is Event.ESTOP:
            self.brake.pull("a person pressed STOP at the page")
            if not self.brake.holds:
                self._abort()
        elif event is Event.QUIT:
            self._abort()

    def _abort(self) -> None:
        """Once, so that it cannot disturb its own unwinding."""
        if not self.aborted:
            self.aborted = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _view(self, number: int, *, watched: bool) -> View:
        status = self._status
        source: Source = "hold" if status.state == "asked" else "policy"
        sample = replace(EMPTY, time=time.monotonic(), source=source)
        frames: tuple[ShownFrame, ...] = ()
        if watched and self._pictures:
            name, image = self._pictures.popleft()
            frames = (ShownFrame(name, image.time, image.jpeg),)
        return View(number, BODY, sample, status, frames=frames)


@contextlib.contextmanager
def guided(options: GuideOptions, folder: Path) -> Iterator[OperatorGuide]:
    """Guide a person through the block, which shall be `terminable`; calibrations go into the folder.

    Raises OperatorError without a page, and CalibrationError once somebody stopped it there.
    """
    with contextlib.ExitStack() as stack:
        cockpit = None
        if options.page:
            from leash_robot.launch.composition.cockpit import open_cockpit

            who = OperatorOptions(("browser",), page_host=options.page_host, page_port=options.page_port)
            cockpit = stack.enter_context(open_cockpit(who, folder))
        guide = stack.enter_context(OperatorGuide(cockpit))
        try:
            yield guide
        except KeyboardInterrupt:
            if not guide.aborted:
                raise
            raise CalibrationError("stopped at the page; nothing was written") from None


def _confirmed() -> bool:
    """A person's consent in the terminal. Raises UsageError where nobody can give it."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to say that the robot is ready; see to it, then give --yes")
    return Confirm.ask("Ready?", console=console, default=False)
