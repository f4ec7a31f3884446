"""Shows the loop's ticks on the cockpit's pages."""

import time
from collections.abc import Callable
from typing import Protocol, Self

import numpy as np
from msgspec.structs import replace

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Tick
from leash_robot.teleop.cockpit.messages import BodyInfo, PlotHistory, PlotSample, ShownFrame, Status, View

LISTED = 5
"""So many takeovers are listed."""


class Stage(Protocol):
    """The part of the cockpit that ticks are shown on."""

    @property
    def pages(self) -> int:
        """How many pages are open."""
        ...

    @property
    def armed(self) -> bool:
        """Whether a device at the driver's page has rested."""
        ...

    def show(self, view: View) -> None:
        """Hand over one view; never waits."""
        ...


class CockpitLog:
    """Fits `Log`. Frames are handed over as the camera made them, once each, and only while a page is open."""

    def __init__(self, stage: Stage, spec: Spec, status: Callable[[], Status]) -> None:
        """`status` is asked at every tick and must return at once."""
        self._stage = stage
        self._body = BodyInfo(spec.name, spec.rate, spec.names, tuple(spec.cameras))
        self._status = status
        self._shown: dict[str, float] = {}
        self._past: tuple[PlotHistory, ...] = ()
        self._number = 0
        self._last: View | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Say that no more ticks come, though the program still has things to save."""
        if self._last is not None:
            status = replace(self._last.status, state="done", armed=False)
            self._stage.show(replace(self._last, number=self._number + 1, status=status, frames=()))

    def add(self, tick: Tick) -> None:
        """Show one tick; never blocks."""
        status = self._status()
        status = replace(status, armed=status.armed and self._stage.armed)
        self._past = remembered(self._past, status, tick.obs.time)
        self._number += 1
        self._last = View(self._number, self._body, sample(tick), status, self._past, self._frames(tick))
        self._stage.show(self._last)

    def _frames(self, tick: Tick) -> tuple[ShownFrame, ...]:
        if not self._stage.pages:
            return ()
        fresh = {name: image for name, image in tick.obs.images.items() if self._shown.get(name) != image.time}
        self._shown |= {name: image.time for name, image in fresh.items()}
        return tuple(ShownFrame(name, image.time, image.jpeg) for name, image in fresh.items())


def sample(tick: Tick) -> PlotSample:
    """The numbers of one tick."""
    obs, proposal = tick.obs, tick.policy or tick.wanted
    return PlotSample(
        time=time.monotonic(),
        late=obs.late,
        age=obs.age,
        source=tick.sent.source,
        joint_pos=tuple(obs.joint_pos.tolist()),
        sent=tuple(tick.sent.joint_pos.tolist()),
        command=tuple(tick.wanted.command.tolist()),
        turning=float(obs.gyro[2]),
        tilt=tilt(obs.gravity),
        risk=proposal.risk,
    )


def tilt(gravity: Array) -> float:
    """Angle [rad] between gravity (3,) in the body frame and straight down; NaN when it is not measured."""
    return float(np.arccos(np.clip(-gravity[2] / np.linalg.norm(gravity), -1.0, 1.0)))


def remembered(past: tuple[PlotHistory, ...], status: Status, time: float) -> tuple[PlotHistory, ...]:
    """The list of takeovers at a time [s]: a new one is put first, the running one grows."""
    if not status.takeover:
        return past
    if not past or past[0].number != status.takeover:
        return (PlotHistory(status.takeover, status.reason, time, 0.0), *past)[:LISTED]
    newest, *older = past
    return (replace(newest, seconds=time - newest.time), *older) if status.taken else past
