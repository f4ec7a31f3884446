"""A recording session at a robot, whoever decides there: robot, policy, operator, recorder, and the loop."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from leash_robot.launch.commands.deploy import cause
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.policies import (
    Brain,
    gait_needs_imu,
    name_slow_cameras,
    needs_imu,
    open_brain,
    steers,
)
from leash_robot.launch.composition.recording import Crier, recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.reporting.screen import Screen
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.errors import GateLatched, RearmRefused, Stopped
from leash_robot.robot.fake import NoLog
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.standing import TRIES, fallen, place
from leash_robot.robot.types import Action, Log, Observation, Policy, Tick, Watch, unattended
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.brake import Brake
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Operator
from leash_robot.teleop.session.files import Noter, Relabel
from leash_robot.teleop.session.session import Session, SessionConfig, SessionStatus
from leash_robot.teleop.session.states import State

REFUSED = 3
"""A gate that answers late is not a gate that stopped the robot; one that refuses so many ticks in a row is."""


class Sitting(Protocol):
    """The options that every recording session has."""

    @property
    def folder(self) -> Path:
        """Where the episodes go."""
        ...

    @property
    def robot(self) -> RobotOptions:
        """Which robot."""
        ...

    @property
    def who(self) -> OperatorOptions:
        """Who sits there."""
        ...

    @property
    def policy(self) -> str:
        """`trot`, a policy file, or a server's endpoint."""
        ...

    @property
    def episodes(self) -> int:
        """How many episodes the folder shall hold."""
        ...

    @property
    def seconds(self) -> float:
        """Longest episode [s]."""
        ...

    @property
    def task(self) -> str:
        """A few words that are kept with each episode."""
        ...


@dataclass
class Rig:
    """What one session runs on."""

    opened: Opened
    drive: Drive
    policy: Policy
    """What decides: the drive itself, or something around it."""
    session: Session
    lateness: Lateness
    enough: int
    live: bool
    name: str = ""
    """What walks or decides."""
    brain: Brain | None = None
    """The policy as it was opened, with its server's figures."""
    recorder: Recorder | None = None
    request: Callable[[], str] = str
    """Why a person's help is asked; empty when it is not."""
    hint: Callable[[], str] = str
    """What the person can do now, where nobody else says it."""
    aloud: Log = field(default_factory=NoLog)
    """Says at once what goes wrong with the recording."""
    losses: Callable[[], list[str]] = list
    """What was not recorded though somebody wanted it, a line each."""
    views: list[Log] = field(default_factory=list)
    """Who is also shown the robot while it moves by itself."""
    brake: Brake = field(default_factory=Brake)
    """The terminal's keys, where no operator has the keyboard; once pulled, the session ends."""
    refusal: str = ""
    """Why the robot was not stood up when that was last asked; empty once it stands."""
    gate_stops: int = 0
    """How often the gate had stopped the robot when the loop ended."""
    refused: int = 0
    """For how many ticks in a row nothing went out."""
    refused_starts: int = 0
    """How often in a row the robot could not be stood up."""

    def over(self, tick: Tick) -> bool:
        """Whether the loop must be left: everything is recorded, or the robot has to be made ready again."""
        self.refused = self.refused + 1 if tick.sent.source == "safety" else 0
        simulator = self.opened.simulator
        fallen = simulator is not None and simulator.truth().fallen
        if fallen or tick.wanted.source == "safety" or self.refused >= REFUSED:
            self._stop()
        if self.brake.cause and not self.complete:
            self.session.stop(self.brake.cause)
        return self.drive.rearmed or self.complete

    def _stop(self) -> None:
        """Note: nobody is there to see to a robot that a script drives, so a simulated one is stood up at once."""
        if not self.drive.stopped:
            self.session.fault(self.cause())
            self.drive.stop()
        if not self.live and self.opened.simulator is not None and not self.brake.cause:
            self.drive.rearm()

    @property
    def ids(self) -> Mapping[str, str]:
        """Ids of the session's episodes by file name."""
        return {} if self.recorder is None else self.recorder.ids

    def cause(self) -> str:
        """What stopped the robot, if not a person."""
        if fallen(self.opened):
            return "the robot fell over"
        trouble = "" if self.brain is None else cause(self.opened, self.brain)
        return trouble or self.drive.trouble or self.request() or "the robot was stopped"

    @property
    def complete(self) -> bool:
        """Whether the operator quit, or enough episodes are recorded and the last label is final."""
        status = self.session.status
        full = status.kept >= self.enough and status.state is State.IDLE
        return status.state is State.DONE or full

    @property
    def status(self) -> SessionStatus:
        """The session's; among its warnings a lost operator, a policy that does not decide, a call for help, a hint."""
        status = self.session.status
        trouble = self.brain.trouble if self.brain is not None else ""
        typing = self.drive.intent.typing
        stopped = [self.refusal or self.drive.cause or self.opened.stopped()] if self.drive.stopped else []
        said = [*stopped, self.drive.trouble, trouble, typing, self.request(), self.hint(), *status.warnings]
        return replace(status, warnings=tuple(dict.fromkeys(filter(None, said))))

    def ready(self) -> None:
        """Stand the robot up; a simulated one is set on its feet first. One that cannot be stood up stays stopped, for
        the person to mend what is wrong and re-arm; raises RobotError where nobody is there who could.
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
                self.session.stop(self.brake.cause)
            elif not self.live and (self.opened.simulator is None or self.refused_starts >= TRIES):
                raise
            self.refusal = "" if isinstance(error, Stopped) else str(error)
            self.drive.stop()
        else:
            self.refusal, self.refused_starts = "", 0

    def watch(self, obs: Observation) -> None:
        """Show the robot while it moves by itself."""
        still = Action(obs.joint_pos, source="hold")
        for view in self.views:
            view.add(Tick(obs, still, still))

    def run(self, *beside: Log, views: Sequence[Log] = ()) -> None:
        """Loop until the session is complete, or Ctrl-C, then lie down; whatever else wants the ticks stands `beside`.

        A second Ctrl-C lets go of the robot at once. `views` are shown what happens between the ticks, too.
        """
        with Screen(lambda: self.status, self.enough) as screen:
            self.views = [*views, screen]
            log = Logs(self.session, *beside, *views, self.lateness, screen, self.aloud)
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
            self.session.interrupt(signal)

    def figures(self) -> dict[str, object]:
        """Once all is closed: episodes in the folder by outcome, how punctual the loop was, how often the gate stopped
        the robot, and what was lost.
        """
        status = self.session.status
        figures: dict[str, object] = {"episodes": status.kept}
        figures |= {str(outcome): count for outcome, count in status.counts.items()}
        figures |= self.lateness.figures() if self.lateness.late.size else {}
        missing = self.session.refusals if status.kept < self.enough else []
        return figures | {"gate_stops": self.gate_stops, "losses": [*self.losses(), *dict.fromkeys(missing)]}


Wiring = Callable[[Opened, Brain], tuple[Drive, Policy]]
"""Given the robot and the opened policy, who drives and what decides."""


@contextlib.contextmanager
def rigged(
    config: Sitting, counts: Mapping[Outcome, int], wire: Wiring, operator: Operator, gait: str = "trot"
) -> Iterator[Rig]:
    """Open everything that a session needs; `counts` is what the folder holds already, `operator` may stop the robot at
    any moment, `gait` walks below a policy that steers by a camera, and may be the person's. Its figures are final once
    the block is left.
    """

    def why() -> str:
        return rig.cause()

    with contextlib.ExitStack() as stack:
        imu = needs_imu(config.policy, config.robot) | gait_needs_imu(gait, config.robot)
        below = gait if steers(config.policy) else "trot"
        brake = Brake()
        if "keyboard" not in config.who.operator:
            stack.enter_context(attended(brake))
        watched = Watched(operator, brake)
        opener = open_robot(config.robot, needs_imu=imu, realtime=config.who.live, watch=watched.ask)
        opened = stack.enter_context(opener)
        stack.enter_context(brake.on(opened.stop))
        if isinstance(operator, Attention):
            stack.enter_context(operator.attending(opened.stop))
        brain = stack.enter_context(open_brain(config.policy, opened.spec, opened.plan, gait=below))
        name_slow_cameras(brain, opened)
        recorder = stack.enter_context(_recorder(config, opened))
        drive, policy = wire(opened, brain)
        limits = SessionConfig(opened.spec.rate, config.seconds if config.who.live else 2 * config.seconds)
        relabel = stack.enter_context(Relabel(config.folder, recorder.ids))
        note = stack.enter_context(Noter(config.folder, recorder.ids))
        session = Session(recorder, relabel, lambda: drive.intent, limits, counts, note, why)
        stack.enter_context(session)
        stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        crier = Crier(recorder, lambda: [*relabel.lost, *note.lost, *session.refusals])
        rig = Rig(opened, drive, policy, session, Lateness(opened.spec.period), config.episodes, config.who.live)
        rig.name, rig.brain, rig.recorder, rig.brake = config.policy, brain, recorder, brake
        rig.aloud, rig.losses = crier, lambda: [*crier.losses, *relabel.lost, *note.lost]
        watched.show = rig.watch
        yield rig
    crier.cry()


class Watched:
    """What happens while the robot moves by itself: it is shown, and whoever can be heard between ticks may stop it."""

    def __init__(self, operator: Operator, brake: Brake) -> None:
        self._hear: Watch = operator.watch if isinstance(operator, Attention) else unattended
        self._brake = brake
        self.show: Callable[[Observation], None] = lambda obs: None

    def ask(self, obs: Observation) -> str:
        """Fits `Watch`."""
        self.show(obs)
        return self._hear(obs) or self._brake.watch(obs)


def _recorder(config: Sitting, opened: Opened) -> Recorder:
    info = {"task": config.task, "operator": " ".join(config.who.operator), "policy": config.policy}
    return recorder_of(opened, config.folder, info)
