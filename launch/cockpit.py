"""The cockpit of a session: opens the page for `--operator browser`, and gathers what it shows."""

import contextlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.brain import Brain
from launch.operators import OperatorOptions
from launch.output import console
from launch.robots import Opened
from robot.errors import OperatorError
from robot.pupper import Pupper
from robot.recorder import Recorder
from robot.types import Log
from teleop.cockpit_link import LOOPBACK, Cockpit, CockpitOptions
from teleop.cockpit_log import CockpitLog
from teleop.cockpit_wire import Status
from teleop.drive import Drive
from teleop.keymap import KeyMap
from teleop.session import Session


@contextlib.contextmanager
def open_cockpit(who: OperatorOptions, folder: Path) -> Iterator[Cockpit | None]:
    """The page, for the length of the block, if the browser is among the operators; says where it is.

    `folder` is where episodes go. Raises OperatorError.
    """
    if "browser" not in who.operator:
        yield None
        return
    for needed in ("starlette", "uvicorn", "websockets"):
        if importlib.util.find_spec(needed) is None:
            raise OperatorError(f"the page needs the package {needed!r}: pip install 'leash[teleop]'")
    options = CockpitOptions(folder, who.page_host, who.page_port, KeyMap().remapped(who.keys))
    with Cockpit(options) as cockpit:
        console.print(f"open [link]{cockpit.url}[/link]", soft_wrap=True, highlight=False)
        if who.page_host != LOOPBACK:
            console.print("note: whoever can read this network's traffic can read that address and drive the robot")
        yield cockpit


@dataclass
class Panel:
    """The parts of a session that the page shows; `status` is what `CockpitLog` asks for."""

    opened: Opened
    brain: Brain
    drive: Drive
    session: Session
    recorder: Recorder
    name: str
    """What walks or decides."""
    enough: int = 0
    """How many episodes are wanted."""

    def log(self, cockpit: Cockpit | None) -> tuple[Log, ...]:
        """The log that shows ticks on the page, or nothing without a page; to be put into `Logs`."""
        return () if cockpit is None else (CockpitLog(cockpit, self.opened.spec, self.status),)

    def status(self) -> Status:
        """What a person must know now, besides the tick."""
        session = self.session.status
        policy_time, policy_lost = answering(self.brain)
        return Status(
            state=session.state,
            index=session.index,
            seconds=session.seconds,
            outcome=session.outcome,
            kept=session.kept,
            enough=self.enough,
            undo_left=session.undo_left,
            warnings=(*session.warnings, *self._troubles()),
            armed=self.drive.armed,
            stopped=self.drive.stopped,
            policy=self.name,
            policy_time=policy_time,
            policy_lost=policy_lost,
            gate_stops=self.opened.gate_stops(),
        )

    def _troubles(self) -> Iterator[str]:
        """What is wrong beside the session's own warnings."""
        if error := self.recorder.status.error:
            yield error
        robot = self.opened.robot
        if isinstance(robot, Pupper) and (report := robot.gate).latched:
            yield f"the gate stopped the robot: {report.cause}; see to it, then re-arm"
        if self.brain.remote is not None and self.brain.remote.trouble:
            yield f"policy server: {self.brain.remote.trouble}"


def answering(brain: Brain) -> tuple[float, float]:
    """Time that the policy server's last answer took [s], and the share that came too late; NaN without a server."""
    if brain.remote is None or not brain.remote.stats.round_trip:
        return float("nan"), float("nan")
    stats = brain.remote.stats
    return stats.round_trip[-1], stats.late / max(1, stats.asked)
