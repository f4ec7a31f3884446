"""The cockpit of a session: opens the page for `--operator browser`, and gathers what it shows."""

import contextlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.policies import Brain
from leash_robot.launch.composition.session import Rig
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import OperatorError
from leash_robot.robot.fake import NoLog
from leash_robot.robot.standing import fallen
from leash_robot.robot.types import Log
from leash_robot.teleop.cockpit.client import LOOPBACK, Cockpit, CockpitOptions
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.devices.keymap import KeyMap
from leash_robot.teleop.intervention.takeover import TakeoverStatus


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
            raise OperatorError(f"the page needs the package {needed!r}: pip install 'leash-robot[teleop]'")
    options = CockpitOptions(folder, who.page_host, who.page_port, KeyMap().remapped(who.keys))
    with Cockpit(options) as cockpit:
        for word, url in zip(("open", *["  or"] * len(cockpit.urls)), cockpit.urls, strict=False):
            console.print(f"{word} [link]{url}[/link]", soft_wrap=True, highlight=False)
        if who.page_host != LOOPBACK:
            console.print("note: whoever can read this network's traffic can read that address and drive the robot")
        yield cockpit


@dataclass
class Panel:
    """Gathers what the page shows of a session; `status` is what `CockpitLog` asks for at every tick."""

    rig: Rig
    takeover: Callable[[], TakeoverStatus] | None = None
    """Who drives and why, where a policy and a person share the robot."""
    stops: int = 0
    """How often the robot was stopped so far."""
    _stopped: bool = False

    @contextlib.contextmanager
    def log(self, cockpit: Cockpit | None) -> Iterator[Log]:
        """The log that shows ticks on the page: `with Panel(rig).log(cockpit) as page: rig.run(views=[page])`."""
        if cockpit is None:
            yield NoLog()
            return
        with CockpitLog(cockpit, self.rig.opened.spec, self.status) as log:
            yield log
        cockpit.ends(f"the session is over: {self.ending()}")

    def ending(self) -> str:
        """Why the session ended."""
        status, enough = self.rig.session.status, self.rig.enough
        if status.state == "done":
            return "somebody pressed End"
        return f"all {enough} episodes are recorded" if self.rig.complete else "it was ended in the terminal"

    def status(self) -> Status:
        """What a person must know now, besides the tick."""
        rig, session = self.rig, self.rig.session.status
        policy_time, policy_lost = answering(rig.brain)
        self._count()
        return Status(
            state=session.state,
            index=session.index,
            seconds=session.seconds,
            outcome=session.outcome,
            kept=session.kept,
            enough=rig.enough,
            hint=rig.hint(),
            undo_left=session.undo_left,
            warnings=tuple(dict.fromkeys((*self._troubles(), *session.warnings))),
            armed=rig.drive.armed,
            stopped=rig.drive.stopped,
            policy=rig.name,
            policy_time=policy_time,
            policy_lost=policy_lost,
            stops=self.stops,
            cause=self.cause() if rig.drive.stopped else "",
            refused=rig.refusal if rig.drive.stopped else "",
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

    def _count(self) -> None:
        """Count a stop once. Note: one that is re-armed in the same tick only sends the robot back to its start."""
        stopped = self.rig.drive.stopped
        self.stops += stopped and not self._stopped and not self.rig.drive.rearmed
        self._stopped = stopped

    def cause(self) -> str:
        """Why the robot was stopped: what whoever stopped it said, else what can be seen."""
        if said := self.rig.drive.cause or self.rig.drive.trouble:
            return said
        if fallen(self.rig.opened):
            return "the robot fell over"
        if policy := self._policy():
            return policy
        if self.rig.refusal:
            return "the robot could not be made to stand"
        if (machine := self.rig.opened.machine) and (report := machine.gate).latched:
            return f"the gate stopped the robot: {report.cause}"
        return "the policy asked for a stop"

    def _policy(self) -> str:
        """What is wrong with the policy's server or inputs; empty when nothing is."""
        return "" if self.rig.brain is None else self.rig.brain.trouble

    def _troubles(self) -> Iterator[str]:
        """What is wrong beside the session's own warnings; a stop's cause stands by itself."""
        rig, machine = self.rig, self.rig.opened.machine
        if rig.drive.trouble:
            yield rig.drive.trouble
        if machine and (report := machine.gate).latched and not rig.drive.stopped:
            yield f"the gate stopped the robot: {report.cause}; {self._remedy}"
        if rig.drive.stopped and not rig.refusal:
            yield self._remedy
        if policy := self._policy():
            yield policy
        if rig.recorder is not None and (error := rig.recorder.status.error):
            yield error

    @property
    def _remedy(self) -> str:
        """What a person does before they re-arm."""
        opened = self.rig.opened
        return "re-arming sets it on its feet" if opened.simulator else f"{opened.body.defaults.stood_by}, then re-arm"


def answering(brain: Brain | None) -> tuple[float, float]:
    """Time that the policy server's last answer took [s], and the share that came too late; NaN without a server."""
    if brain is None or brain.remote is None or not brain.remote.stats.round_trip:
        return math.nan, math.nan
    stats = brain.remote.stats
    return stats.round_trip[-1], stats.late / max(1, stats.asked)
