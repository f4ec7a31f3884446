"""What the page shows of a recording session."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from leash_robot.robot.fake import NoLog
from leash_robot.robot.standing import fallen
from leash_robot.robot.types import Log
from leash_robot.teleop.cockpit.client import Cockpit
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.intervention.takeover import TakeoverStatus
from leash_robot.teleop.session.recording_session import RecordingSession


@dataclass
class Panel:
    """Gathers what the page shows of a session; `status` is what `CockpitLog` asks for at every tick."""

    session: RecordingSession
    takeover: Callable[[], TakeoverStatus] | None = None
    """Who drives and why, where a policy and a person share the robot."""
    stops: int = 0
    """How often the robot was stopped so far."""
    _stopped: bool = False

    @contextlib.contextmanager
    def log(self, cockpit: Cockpit | None) -> Iterator[Log]:
        """The log that shows ticks on the page: `with Panel(session).log(cockpit) as page: ...`."""
        if cockpit is None:
            yield NoLog()
            return
        with CockpitLog(cockpit, self.session.opened.spec, self.status) as log:
            yield log
        cockpit.ends(f"the session is over: {self.ending()}")

    def ending(self) -> str:
        """Why the session ended."""
        status, enough = self.session.episodes.status, self.session.enough
        if status.state == "done":
            return "somebody pressed End"
        return f"all {enough} episodes are recorded" if self.session.complete else "it was ended in the terminal"

    def status(self) -> Status:
        """What a person must know now, besides the tick."""
        session, episodes = self.session, self.session.episodes.status
        policy_time, policy_lost = (math.nan, math.nan) if session.handle is None else session.handle.answering
        self._count()
        return Status(
            state=episodes.state,
            index=episodes.index,
            seconds=episodes.seconds,
            outcome=episodes.outcome,
            kept=episodes.kept,
            enough=session.enough,
            hint=session.hint(),
            undo_left=episodes.undo_left,
            warnings=tuple(dict.fromkeys((*self._troubles(), *episodes.warnings))),
            armed=session.drive.armed,
            stopped=session.drive.stopped,
            policy=session.name,
            policy_time=policy_time,
            policy_lost=policy_lost,
            stops=self.stops,
            cause=self.cause() if session.drive.stopped else "",
            refused=session.refusal if session.drive.stopped else "",
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
        stopped = self.session.drive.stopped
        self.stops += stopped and not self._stopped and not self.session.drive.rearmed
        self._stopped = stopped

    def cause(self) -> str:
        """Why the robot was stopped: what whoever stopped it said, else what can be seen."""
        if said := self.session.drive.cause or self.session.drive.trouble:
            return said
        if fallen(self.session.opened):
            return "the robot fell over"
        if policy := self._policy():
            return policy
        if self.session.refusal:
            return "the robot could not be made to stand"
        if (machine := self.session.opened.machine) and (report := machine.gate).latched:
            return f"the gate stopped the robot: {report.cause}"
        return "the policy asked for a stop"

    def _policy(self) -> str:
        """What is wrong with the policy's server or inputs; empty when nothing is."""
        return "" if self.session.handle is None else self.session.handle.trouble

    def _troubles(self) -> Iterator[str]:
        """What is wrong beside the session's own warnings; a stop's cause stands by itself."""
        session, machine = self.session, self.session.opened.machine
        if session.drive.trouble:
            yield session.drive.trouble
        if machine and (report := machine.gate).latched and not session.drive.stopped:
            yield f"the gate stopped the robot: {report.cause}; {self._remedy}"
        if session.drive.stopped and not session.refusal:
            yield self._remedy
        if policy := self._policy():
            yield policy
        if session.recording is not None and (error := session.recording.recorder.status.error):
            yield error

    @property
    def _remedy(self) -> str:
        """What a person does before they re-arm."""
        opened = self.session.opened
        return "re-arming sets it on its feet" if opened.simulator else f"{opened.body.defaults.stood_by}, then re-arm"
