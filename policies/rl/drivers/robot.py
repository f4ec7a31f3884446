"""The driver on a robot: it walks, falls, stands up and walks on in real time; the learner is a process beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

from leash_robot.policies.rl.drivers.learner_client import LearnerClient
from leash_robot.policies.rl.drivers.learner_process import ActorMessage
from leash_robot.policies.rl.drivers.learning_actor import ExploringActor, LearningActor
from leash_robot.policies.rl.drivers.transitions import TransitionRecorder
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import GateLatched, RearmRefused, RobotError
from leash_robot.robot.locomotion.odometry import fallen
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.standing import OpenedRobot
from leash_robot.robot.types import Log, Policy, Robot, Tick

TRIES = 3
"""How often a robot tries to get up before a person is called."""
MESSAGES = 20
"""Ticks between two messages to the learner."""
PATIENCE = 60
"""So many messages are sent until the learner has published what is to be evaluated."""


class LearningRobot(OpenedRobot, Protocol):
    """An opened robot that can be stopped."""

    @property
    def stopped(self) -> Callable[[], str]:
        """Why the robot is held stopped; empty while it is not."""
        ...


class RobotStatistics(Log, Protocol):
    """Counts what happens while a robot learns."""

    falls: int
    helped: int

    def add_step(self, tick: Tick, actor: LearningActor) -> None:
        """Note one tick of learning."""
        ...

    def restart(self) -> None:
        """Score from here on."""
        ...

    @property
    def steps(self) -> int:
        """Ticks of learning since `restart`."""
        ...

    @property
    def minutes(self) -> float:
        """Robot time since the first tick, whatever it was spent on."""
        ...

    def curves(self) -> dict[str, float]:
        """Latest means and counts by name."""
        ...

    def scored(self) -> dict[str, float]:
        """How the robot moved since `restart`."""
        ...

    def text(self) -> str:
        """How it goes, in a few words."""
        ...


@dataclass
class RobotTraining:
    """Fits `Log`, behind the actor's: counts, tells the learner, hands over from an expert."""

    minutes_in_all: float
    opened: LearningRobot
    actor: LearningActor
    recorder: TransitionRecorder
    explorer: ExploringActor
    average: WeightChannel
    learner: LearnerClient
    statistics: RobotStatistics
    policy: Policy
    """The actor, or a takeover around it, until a person stops the robot."""
    get_up: Callable[[Robot, Log], None]
    """Tries once to stand, from any pose."""
    person_stopped: Callable[[], str] = lambda: ""
    """Why a person stopped the robot, which ends the training; empty while nobody did."""
    report: Callable[[float, str], None] = lambda minutes, text: None
    before: float = 0.0
    """Robot minutes spent before a resumption."""
    others: tuple[Log, ...] = ()
    requested: bool = False
    """Whether the last tick requested a soft stop."""
    expert: dict[str, float] = field(default_factory=dict)
    """How well the expert walked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def minutes(self) -> float:
        """Robot time, that before a resumption included."""
        return self.before + self.statistics.minutes

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        self.statistics.add_step(tick, self.actor)
        if self.statistics.steps % MESSAGES == 0:
            self.tell(average=False)
        if self.actor.source is not self.explorer and self.explorer.channel.version > 0:
            self.expert = self.statistics.scored()
            self.statistics.restart()
            self.actor.source = self.explorer

    def tell(self, *, average: bool) -> None:
        """Tell the learner, and whoever watches, how it stands."""
        curves = {f"robot/{name}": value for name, value in self.statistics.curves().items()}
        self.learner.tell(ActorMessage(self.recorder.steps, self.minutes, curves, average))
        self.report(self.minutes, f"{self.statistics.text()} · {self.learner.updates} updates")

    def walk(self, until: Callable[[], bool]) -> None:
        """Walk, fall and get up until then. Raises RobotError when the robot was stopped for good."""
        robot = self.opened.robot

        def over(tick: Tick) -> bool:
            self.requested = tick.wanted.source == "safety"
            return self.actor.fell or tick.sent.source == "safety" or until()

        logs = Logs(self.statistics, self.actor, self, self.learner, *self.others)
        while not until():
            self.actor.begin()
            run(robot, self.policy, logs, done=over)
            self.recorder.begin()
            if cause := self.person_stopped() or self.opened.stopped():
                self._help(cause)
            elif self.actor.fell:
                self.statistics.falls += 1
                self._recover()

    def stand(self) -> None:
        """Stand up where the robot is. Raises RobotError when it was stopped for good."""
        try:
            self.opened.robot.reset()
        except (GateLatched, RearmRefused) as error:
            self._help(str(error))

    def _recover(self) -> None:
        robot, estimator = self.opened.robot, self.actor.estimator
        try:
            for _ in range(TRIES):
                self.get_up(robot, self.statistics)
                obs = robot.observe()
                estimator.reset()
                if not fallen(obs, estimator.step(obs)):
                    return
        except (GateLatched, RearmRefused):
            pass
        self._help(self.opened.stopped() or f"it fell and did not get up in {TRIES} tries")

    def _help(self, cause: str) -> None:
        """A person sets the robot on its feet; a simulated one is placed, unless the stop was requested.

        Raises RobotError.
        """
        simulator, requested = self.opened.simulator, self.requested or bool(self.person_stopped())
        if simulator is None or not getattr(simulator, "alive", True) or requested:
            raise RobotError(f"the robot stopped: {cause}; see to it, then --resume goes on from the checkpoint")
        self.statistics.helped += 1
        simulator.place()
        self.opened.rearm()
        self.opened.robot.reset()


def train(training: RobotTraining, evaluation_ticks: int) -> dict[str, float]:
    """Train for the minutes in all, then let the averaged actor be scored for so many ticks; the figures."""
    training.stand()
    training.walk(lambda: training.minutes >= training.minutes_in_all)
    statistics = training.statistics
    figures: dict[str, float] = {
        "robot_minutes": training.minutes,
        "falls": statistics.falls,
        "person_helped": statistics.helped,
    }
    figures |= {f"taught_{name}": value for name, value in training.expert.items()}
    return figures | _evaluated(training, evaluation_ticks)


def _evaluated(training: RobotTraining, ticks: int) -> dict[str, float]:
    """How the averaged actor walks, without exploration and after learning has seen its last step."""
    if ticks == 0:
        return {}
    explorer, statistics = training.explorer, training.statistics
    training.tell(average=True)
    for _ in range(PATIENCE):
        if training.average.version:
            break
        _walk_on(training, MESSAGES)
        training.tell(average=True)
    explorer.channel, explorer.version, explorer.greedy = training.average, 0, True
    training.stand()
    statistics.restart()
    before = statistics.falls
    _walk_on(training, ticks)
    scored = {f"judged_{name}": value for name, value in statistics.scored().items()}
    return {**scored, "judged_falls": statistics.falls - before}


def _walk_on(training: RobotTraining, ticks: int) -> None:
    """For so many ticks."""
    enough = training.statistics.steps + ticks
    training.walk(lambda: training.statistics.steps >= enough)
