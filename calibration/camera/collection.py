"""Collects good views of the board while a person shows it, and says what to show next."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from leash_robot.calibration.camera.coverage import missing, sketch
from leash_robot.calibration.camera.frames import Frame
from leash_robot.calibration.camera.views import BoardView, Finder, refusal
from leash_robot.calibration.guide import Guide, SilentGuide
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError


@dataclass
class CollectedViews:
    """Good views, and why others were refused."""

    views: list[BoardView] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    last: Pixels | None = None
    """The newest picture that was taken."""

    def reasons(self) -> str:
        """Why pictures were refused, the most frequent reason first."""
        told = [f"{count} x {why}" for why, count in self.refusals.most_common()]
        return f"refused {', '.join(told)}" if told else "none refused"

    def picture(self) -> Pixels:
        """The newest picture that was taken. Raises CalibrationError when there is none."""
        if self.last is None:
            raise CalibrationError(
                f"the board was never seen: {self.reasons()}; is it the right one, in the light, and flat?"
            )
        return self.last


ALONE = SilentGuide()


def collect(
    frames: Iterator[Frame], finder: Finder, wanted: int, seconds: float, *, live: bool, guide: Guide = ALONE
) -> CollectedViews:
    """Take good views until there are enough, the frames or the time run out, or the person presses Ctrl-C or Success.

    `live` frames are of a board that moves, which counts only once it is held still. Of more fields and tilts than are
    missing, views are taken all the same.
    """
    collected = CollectedViews()
    before: BoardView | None = None
    until = time.monotonic() + seconds
    with contextlib.suppress(KeyboardInterrupt):
        for name, pixels in frames:
            view = finder.find(pixels, name)
            why = refusal(view, collected.views, before if live else None)
            before = view
            if why:
                collected.refusals[_kind(why)] += 1
            else:
                collected.views.append(view)
                collected.last = pixels
            guide.show("board", pixels, _instruction(collected, wanted, why))
            if len(collected.views) >= wanted or time.monotonic() > until or guide.enough():
                break
    if guide.aborted:
        raise KeyboardInterrupt
    guide.say("")
    return collected


def _kind(why: str) -> str:
    """The reason without its figures."""
    return "too few corners" if why.startswith("only") else why.partition(" (")[0]


def _instruction(collected: CollectedViews, wanted: int, why: str) -> str:
    hints = missing(collected.views)
    lines = [f"{len(collected.views)} of {wanted} views   {why or 'taken'}", *sketch(collected.views)]
    return "\n".join([*lines, f"next: {hints[0]}" if hints else "all fields and tilts are covered"])
