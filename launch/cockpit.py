"""The cockpit of a session: opens the page for `--operator browser`, and gathers what it shows."""

import contextlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.brain import Brain
from launch.operators import OperatorOptions
from launch.output import console
from launch.rig import Rig
from launch.standing import fallen
from robot.errors import OperatorError
from robot.pupper import Pupper
from robot.types import Log
from teleop.cockpit_link import LOOPBACK, Cockpit, CockpitOptions
from teleop.cockpit_log import CockpitLog
from teleop.cockpit_wire import Status
from teleop.keymap import KeyMap
from teleop.takeover import TakeoverStatus


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
    """Gathers what the page shows of a session; `status` is what `CockpitLog` asks for at every tick."""

    rig: Rig
    takeover: Callable[[], TakeoverStatus] | None = None
    """Who drives and why, where a policy and a person share the robot."""

    def log(self, cockpit: Cockpit | None) -> tuple[Log, ...]:
        """The log that shows ticks on the page, or none without a page: `rig.run(views=Panel(rig).log(cockpit))`."""
        return () if cockpit is None else (CockpitLog(cockpit, self.rig.opened.spec, self.status),)

    def status(self) -> Status:
        """What a person must know now, besides the tick."""
        rig, session = self.rig, self.rig.session.status
        policy_time, policy_lost = answering(rig.brain)
        return Status(
            state=session.state,
            index=session.index,
            seconds=session.seconds,
            outcome=session.outcome,
            kept=session.kept,
            enough=rig.enough,
            hint=rig.hint(),
            undo_left=session.undo_left,
            warnings=tuple(dict.fromkeys((*session.warnings, *self._troubles()))),
            armed=rig.drive.armed,
            stopped=rig.drive.stopped,
            policy=rig.name,
            policy_time=policy_time,
            policy_lost=policy_lost,
            gate_stops=rig.opened.gate_stops(),
            **self._shared(),
        )

    def _shared(self) -> dict[str, Any]:
        """What only a session has in which a policy drives and a person may take over."""
        if self.takeover is None:
            return {}
        now = self.takeover()
        return {
            "shared": True,
            "takeover": now.takeover_id,
            "taken": now.taken,
            "reason": now.reason,
            "request": now.request,
        }

    def _troubles(self) -> Iterator[str]:
        """What is wrong beside the session's own warnings."""
        rig = self.rig
        if rig.recorder is not None and (error := rig.recorder.status.error):
            yield error
        if rig.drive.stopped and rig.refusal:
            yield rig.refusal
        robot = rig.opened.robot
        if isinstance(robot, Pupper) and (report := robot.gate).latched:
            yield f"the gate stopped the robot: {report.cause}; {self._remedy}"
        if rig.drive.trouble:
            yield rig.drive.trouble
        if rig.drive.stopped and fallen(rig.opened):
            yield "the robot fell over; re-arming sets it on its feet"
        if rig.brain is not None and rig.brain.trouble:
            yield rig.brain.trouble

    @property
    def _remedy(self) -> str:
        """What a person does before they re-arm."""
        simulated = self.rig.opened.referee is not None
        return (
            "re-arming sets it on its feet"
            if simulated
            else "set it level, on its belly with its legs free, then re-arm"
        )


def answering(brain: Brain | None) -> tuple[float, float]:
    """Time that the policy server's last answer took [s], and the share that came too late; NaN without a server."""
    if brain is None or brain.remote is None or not brain.remote.stats.round_trip:
        return math.nan, math.nan
    stats = brain.remote.stats
    return stats.round_trip[-1], stats.late / max(1, stats.asked)
