"""A person's recording session on the tracks of a round: robot, recorder and whoever decides, around the loop."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from leash_robot.robot.clock import Clock
from leash_robot.robot.dataset.tracks import recorded_tracks
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Log, Policy
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig, TakeoverStatus
from leash_robot.teleop.operator import LOST, Operator
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionConfig
from leash_robot.teleop.session.handles import SessionRobot
from leash_robot.teleop.session.panel import Panel
from leash_robot.teleop.session.recording_session import RecordingSession, open_recording
from leash_robot.teleop.session.supervision import supervised
from leash_robot.teleop.session.track_guide import RobotOnTracks, TakeoverFilter, TrackGuide
from leash_robot.teleop.session.track_progress import TrackProgress

NEVER = Limits(risk=math.inf, tilt=math.inf)
"""The policy never asks for help: the person watches all the time."""
READY = {
    "demonstration": "hold to drive along the line to its end.",
    "hg": "START (Record) lets the policy drive; hold to take over when it strays, then hand back.",
    "thrifty": "START (Record) lets the policy drive; hold to take over when it strays or calls, then hand back.",
}
"""What to do at the start of a track."""


class Tracks(Protocol):
    """A simulated robot on tracks, with a gait below the policies that steer it."""

    @property
    def spec(self) -> Spec:
        """The description of the robot."""
        ...

    def opened(self, seed: Callable[[], int]) -> tuple[SessionRobot, RobotOnTracks]:
        """The robot, which stands up at the start of the track that `seed` returns."""
        ...

    def steered(self, upper: Policy) -> Policy:
        """A policy for joints: the gait walks where the upper policy says."""
        ...

    def command_policy(self) -> Policy:
        """An upper policy that passes the observed command on."""
        ...


@dataclass(frozen=True)
class TrackTask:
    """What is to be recorded."""

    folder: Path
    """Where the recordings go."""
    seeds: Sequence[int]
    """The tracks to drive, by their seeds."""
    title: str
    policy: Policy | None = None
    """The policy that is supervised; None where tracks are demonstrated."""
    calls: Limits | None = None
    """From where on the policy asks for help; None where it never does."""


@dataclass(frozen=True)
class PersonOptions:
    """How the person is read, and how the loop runs with them."""

    name: str = ""
    """Kept with each recording."""
    clock: Clock | None = None
    """Stamps the operator's device, and lets the loop run first; None takes the simulator's time."""
    lost: float = LOST
    """How long the person may be silent [s]."""
    nice: int = 0
    """Of the loop, where it cannot run first."""
    say: Callable[[str], object] = field(default=lambda line: None)
    """Receives what goes wrong with the recording."""


@dataclass(frozen=True)
class TrackSession:
    """Everything that one task runs on."""

    session: RecordingSession
    progress: TrackProgress
    robot: RobotOnTracks
    logs: tuple[Log, ...]
    """What must see the ticks after the session."""
    guide: TrackGuide
    status: Callable[[], Status]
    """What the page is to show."""

    def run(self, *beside: Log, views: Sequence[Log] = ()) -> bool:
        """Loop until every track is driven, the person quits, or Ctrl-C; other logs of the ticks are `beside`.

        Returns whether to go on: all is driven, and the person did not ask for the end.
        """
        # Note: the guide comes last, for it may send the robot away.
        self.session.run(*self.logs, *beside, self.guide, views=views)
        return self.progress.full and self.session.complete and not self.guide.quit


@contextlib.contextmanager
def track_session(
    tracks: Tracks, operator: Operator, task: TrackTask, person: PersonOptions | None = None
) -> Iterator[TrackSession]:
    """Open a recording session on the tracks of a task. Raises EpisodeError."""
    person = person or PersonOptions()
    task.folder.mkdir(parents=True, exist_ok=True)
    spec = tracks.spec
    info = {"task": "track", "operator": person.name, "policy": task.title}
    recorder = Recorder(task.folder, spec, info=info, report=person.say)
    with contextlib.ExitStack() as stack:
        recording = stack.enter_context(open_recording(recorder, person.say))
        progress = TrackProgress(recorder, recording.label, task.seeds, recorded_tracks(task.folder))
        opened, robot = tracks.opened(lambda: progress.seed)
        listened = TakeoverFilter(operator, lambda: progress.recording)
        drive = Drive(listened, tracks.command_policy(), clock=person.clock, lost=person.lost)
        takeover = _takeover(task, drive, spec)
        guide = TrackGuide(robot, progress, drive, _ready(task))
        limits = SessionConfig(spec.rate, default_outcome="discarded")
        episodes = stack.enter_context(
            EpisodeStateMachine(progress, progress.relabel, guide.intent, limits, progress.counts, recording.note)
        )
        recording.refusals = episodes.refusals
        if person.clock is not None:
            stack.enter_context(first_in_line(person.nice))
        policy = tracks.steered(drive if takeover is None else takeover)
        lateness = Lateness(spec.period)
        session = RecordingSession(opened, drive, policy, episodes, lateness, progress.target, live=True)
        session.name, session.recording, session.hint = task.title, recording, guide.hint
        logs, panel = stack.enter_context(_watched(session, progress, takeover, task.folder))
        yield TrackSession(session, progress, robot, logs, guide, panel.status)


def _ready(task: TrackTask) -> str:
    if task.policy is None:
        return READY["demonstration"]
    return READY["hg" if task.calls is None else "thrifty"]


def _takeover(task: TrackTask, drive: Drive, spec: Spec) -> Takeover | None:
    """The policy and the person; None where the person demonstrates."""
    if task.policy is None:
        return None
    config = TakeoverConfig(level="command", begin="nobody", limits=task.calls or NEVER)
    return Takeover(task.policy, drive, spec, config)


@contextlib.contextmanager
def _watched(
    session: RecordingSession, progress: TrackProgress, takeover: Takeover | None, folder: Path
) -> Iterator[tuple[tuple[Log, ...], Panel]]:
    """What keeps takeovers and shows them; a policy asks for help only while it drives."""
    if takeover is None:
        yield (), Panel(session)
        return

    def status() -> TakeoverStatus:
        return takeover.status if progress.recording else replace(takeover.status, request="")

    with supervised(session, takeover, folder, status) as supervision:
        yield supervision.logs, Panel(session, status)
