"""A recording session at a robot, whoever decides there: standing up, the loop, stops and re-arming, the end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from leash_robot.robot.errors import GateLatched, RearmRefused, Stopped
from leash_robot.robot.fake import NoLog
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.recording.monitor import RecordingMonitor
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.standing import TRIES, fallen, place
from leash_robot.robot.types import Action, Log, Observation, Policy, Tick
from leash_robot.teleop.brake import Brake
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionStatus
from leash_robot.teleop.session.files import LabelWriter, NoteWriter
from leash_robot.teleop.session.handles import SessionPolicy, SessionRobot, stop_cause
from leash_robot.teleop.session.states import SessionState

REFUSED = 3
"""One late answer of the gate is no stop; this many ticks in a row that the gate refuses are."""


@dataclass
class Recording:
    """The recorder of a session, and the writers of what is kept beside its episodes."""

    recorder: Recorder
    label: LabelWriter
    note: NoteWriter
    monitor: RecordingMonitor
    """Says at once what goes wrong with the recording."""
    refusals: Sequence[str] = ()
    """Why episodes could not begin."""

    @property
    def lost(self) -> list[str]:
        """Labels and notes that could not be written, a line each."""
        return [*self.label.lost, *self.note.lost]

    @property
    def losses(self) -> list[str]:
        """What was not recorded though it should have been, a line each."""
        return [*self.monitor.losses, *self.lost]


@contextlib.contextmanager
def open_recording(recorder: Recorder, say: Callable[[str], object]) -> Iterator[Recording]:
    """Open a session's recorder; `say` receives what goes wrong, also what is known only once everything is closed."""
    monitor = RecordingMonitor(recorder, say, lambda: [*recording.lost, *recording.refusals])
    with (
        recorder,
        LabelWriter(recorder.folder, recorder.ids) as label,
        NoteWriter(recorder.folder, recorder.ids) as note,
    ):
        recording = Recording(recorder, label, note, monitor)
        yield recording
    monitor.report()


@dataclass
class RecordingSession:
    """One session; `run` is its loop."""

    opened: SessionRobot
    drive: Drive
    policy: Policy
    """What decides: the drive itself, or something around it."""
    episodes: EpisodeStateMachine
    lateness: Lateness
    enough: int
    """How many episodes the folder shall hold."""
    live: bool
    """Whether a person is there, who alone re-arms the robot."""
    name: str = ""
    """What walks or decides."""
    handle: SessionPolicy | None = None
    """The policy as it was opened, with its server's figures."""
    recording: Recording | None = None
    request: Callable[[], str] = str
    """Why the policy asks for help; empty when it does not."""
    hint: Callable[[], str] = str
    """What the person can do now, where nothing else says it."""
    views: list[Log] = field(default_factory=list)
    """Logs that are also shown the robot while it moves by itself."""
    brake: Brake = field(default_factory=Brake)
    """The terminal's keys, where no operator has the keyboard; once pulled, the session ends."""
    refusal: str = ""
    """Why the robot could not be stood up at the last attempt; empty once it stands."""
    gate_stops: int = 0
    """How often the gate had stopped the robot when the loop ended."""
    refused: int = 0
    """For how many ticks in a row nothing went out."""
    refused_starts: int = 0
    """How often in a row the robot could not be stood up."""

    def over(self, tick: Tick) -> bool:
        """Whether the loop must be left: everything is recorded, or the robot has to be made ready again."""
        self.refused = self.refused + 1 if tick.sent.source == "safety" else 0
        if fallen(self.opened) or tick.wanted.source == "safety" or self.refused >= REFUSED:
            self._stop()
        if self.brake.cause and not self.complete:
            self.episodes.stop(self.brake.cause)
        return self.drive.rearmed or self.complete

    def _stop(self) -> None:
        """Note: a simulated robot that a script drives has no person beside it, so it is stood up at once."""
        if not self.drive.stopped:
            self.episodes.fault(self.cause())
            self.drive.stop()
        if not self.live and self.opened.simulator is not None and not self.brake.cause:
            self.drive.rearm()

    @property
    def ids(self) -> Mapping[str, str]:
        """Ids of the session's episodes by file name."""
        return {} if self.recording is None else self.recording.recorder.ids

    def cause(self) -> str:
        """What stopped the robot, if not a person."""
        if fallen(self.opened):
            return "the robot fell over"
        trouble = "" if self.handle is None else stop_cause(self.opened, self.handle)
        return trouble or self.drive.trouble or self.request() or "the robot was stopped"

    @property
    def complete(self) -> bool:
        """Whether the operator quit, or enough episodes are recorded and the last label is final."""
        status = self.episodes.status
        full = status.kept >= self.enough and status.state is SessionState.IDLE
        return status.state is SessionState.DONE or full

    @property
    def status(self) -> SessionStatus:
        """The status of the episodes; its warnings also tell a lost operator, a policy that does not decide, a call for
        help, and the hint.
        """
        status = self.episodes.status
        trouble = self.handle.trouble if self.handle is not None else ""
        typing = self.drive.intent.typing
        stopped = [self.refusal or self.drive.cause or self.opened.stopped()] if self.drive.stopped else []
        said = [*stopped, self.drive.trouble, trouble, typing, self.request(), self.hint(), *status.warnings]
        return replace(status, warnings=tuple(dict.fromkeys(filter(None, said))))

    def ready(self) -> None:
        """Stand the robot up; a simulated one is set on its feet first. One that cannot be stood up stays stopped, for
        the person to see to it and re-arm; raises RobotError where there is no person.
        """
        if self.drive.rearmed:
            self.opened.rearm()
        if self.opened.simulator is not None:
            place(self.opened.simulator)
        try:
            self.opened.robot.reset()
        except (GateLatched, RearmRefused) as error:
            self.refused_starts += 1
            if self.brake.cause:
                self.episodes.stop(self.brake.cause)
            elif not self.live and (self.opened.simulator is None or self.refused_starts >= TRIES):
                raise
            self.refusal = "" if isinstance(error, Stopped) else str(error)
            self.drive.stop()
        else:
            self.refusal, self.refused_starts = "", 0

    def show(self, obs: Observation) -> None:
        """Show the robot while it moves by itself."""
        still = Action(obs.joint_pos, source="hold")
        for view in self.views:
            view.add(Tick(obs, still, still))

    def run(self, *beside: Log, views: Sequence[Log] = ()) -> None:
        """Loop until the session is complete, or Ctrl-C, then lie down; other logs of the ticks are `beside`.

        A second Ctrl-C lets go of the robot at once. `views` are also shown what happens between the ticks.
        """
        self.views = list(views)
        monitor: Log = NoLog() if self.recording is None else self.recording.monitor
        log = Logs(self.episodes, *beside, *views, self.lateness, monitor)
        with self._interruptible():
            while not self.complete:
                self.ready()
                run(self.opened.robot, self.policy, log, done=self.over)
        self.gate_stops = self.opened.gate_stops()
        # Note: before anything closes, since without commands the gate soon stops, as it must
        self.opened.robot.rest()

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C, or a signal that counts as one, ends the session."""
        try:
            yield
        except KeyboardInterrupt as signal:
            self.episodes.interrupt(signal)

    @property
    def losses(self) -> list[str]:
        """What was not recorded though it should have been, a line each."""
        status = self.episodes.status
        missing = self.episodes.refusals if status.kept < self.enough else []
        return [*([] if self.recording is None else self.recording.losses), *dict.fromkeys(missing)]

    def figures(self) -> dict[str, object]:
        """Once all is closed: episodes in the folder by outcome, how punctual the loop was, how often the gate stopped
        the robot, and what was lost.
        """
        status = self.episodes.status
        figures: dict[str, object] = {"episodes": status.kept}
        figures |= {str(outcome): count for outcome, count in status.counts.items()}
        figures |= self.lateness.figures() if self.lateness.late.size else {}
        return figures | {"gate_stops": self.gate_stops, "losses": self.losses}
