"""A robot practises: it walks, falls, stands up and walks on, until its time is over; the learner is elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.live.driver import Apprentice, Explorer
from leash_robot.launch.live.getup import TRIES, get_up
from leash_robot.launch.live.job import Note
from leash_robot.launch.live.learner_client import School
from leash_robot.launch.live.memory import Memory
from leash_robot.launch.live.plan import LivePlan
from leash_robot.launch.live.sense import fallen
from leash_robot.launch.live.tally import Tally
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import GateLatched, RearmRefused, RobotError
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.types import Log, Policy, Tick
from leash_robot.teleop.brake import Brake, Stoppable

NOTED = 20
"""Ticks between two notes to the learner."""
PATIENCE = 60
"""So many notes are sent until the learner has published what is to be judged."""


@dataclass
class Practice:
    """Who takes part."""

    plan: LivePlan
    opened: Opened
    apprentice: Apprentice
    memory: Memory
    explorer: Explorer
    average: WeightChannel
    school: School
    tally: Tally
    decides: Policy
    """The apprentice, or a takeover around it."""
    report: Callable[[float, str], None] = lambda minutes, told: None
    before: float = 0.0
    """Robot minutes spent before a resumption."""
    others: tuple[Log, ...] = ()
    brake: Brake = field(default_factory=Brake)
    """Pulled by a person who stops the robot, which ends the practice."""
    asked: bool = False
    """Whether the last tick asked for a soft stop."""
    judging: bool = False
    taught: dict[str, float] = field(default_factory=dict)
    """How well the teacher walked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def minutes(self) -> float:
        """Robot time, that before a resumption included."""
        return self.before + self.tally.minutes

    def add(self, tick: Tick) -> None:
        """Fits `Log`, behind the apprentice's: count, tell the learner, hand over from a teacher."""
        self.tally.walked(tick, self.apprentice)
        if len(self.tally.own.moved) % NOTED == 0:
            self.note(average=False)
        if self.apprentice.mind is not self.explorer and self.explorer.mailbox.version > 0:
            self.taught = self.tally.scored()
            self.tally.restart()
            self.apprentice.mind = self.explorer

    def note(self, *, average: bool) -> None:
        """Tell the learner, and whoever watches, how it stands."""
        tally = self.tally
        speed = sum(tally.own.speeds) / max(1, len(tally.own.speeds))
        reward = sum(tally.rewards) / max(1, len(tally.rewards))
        counts = {"falls": tally.falls, "late_ticks": tally.late_ticks, "person_helped": tally.helped}
        scalars = {"robot/reward": reward, "robot/speed_mps": speed}
        scalars |= {f"robot/{name}": float(value) for name, value in counts.items()}
        self.school.tell(Note(self.memory.steps, self.minutes, scalars, average))
        self.report(self.minutes, f"{tally.told()} · {self.school.updates} updates")

    def walk(self, until: Callable[[], bool]) -> None:
        """Walk, fall and get up until then. Raises RobotError when the robot was stopped for good."""
        robot = self.opened.robot

        def over(tick: Tick) -> bool:
            self.asked = tick.wanted.source == "safety"
            return self.apprentice.fell or tick.sent.source == "safety" or until()

        logs = Logs(self.tally, self.apprentice, self, self.school, *self.others)
        while not until():
            self.apprentice.begin()
            run(robot, Stoppable(self.decides, self.brake.watch), logs, done=over)
            self.memory.forget()
            if cause := self.brake.cause or self.opened.stopped():
                self._help(cause)
            elif self.apprentice.fell:
                self.tally.falls += 1
                self._recover()

    def stand(self) -> None:
        """Stand up where the robot is. Raises RobotError when it was stopped for good."""
        try:
            self.opened.robot.reset()
        except (GateLatched, RearmRefused) as error:
            self._help(str(error))

    def _recover(self) -> None:
        robot, sense = self.opened.robot, self.apprentice.sense
        try:
            for _ in range(TRIES):
                get_up(robot, self.tally)
                obs = robot.observe()
                sense.reset()
                if not fallen(obs, sense.step(obs)):
                    return
        except (GateLatched, RearmRefused):
            pass
        self._help(self.opened.stopped() or f"it fell and did not get up in {TRIES} tries")

    def _help(self, cause: str) -> None:
        """A person sets the robot on its feet; a simulated one has somebody who plays that person, unless the stop was
        asked for. Raises RobotError.
        """
        simulator, asked = self.opened.simulator, self.asked or bool(self.brake.cause)
        if simulator is None or not getattr(simulator, "alive", True) or asked:
            raise RobotError(f"the robot stopped: {cause}; see to it, then --resume goes on from the checkpoint")
        self.tally.helped += 1
        simulator.place()
        self.opened.rearm()
        self.opened.robot.reset()


def practise(practice: Practice) -> dict[str, float]:
    """Practise for the plan's minutes, then let the averaged actor be scored; its figures."""
    plan = practice.plan
    practice.stand()
    practice.walk(lambda: practice.minutes >= plan.minutes)
    minutes, falls = practice.minutes, practice.tally.falls
    figures: dict[str, float] = {"robot_minutes": minutes, "falls": falls, "person_helped": practice.tally.helped}
    figures |= {f"taught_{name}": value for name, value in practice.taught.items()}
    return figures | _judged(practice)


def _judged(practice: Practice) -> dict[str, float]:
    """How the averaged actor walks, without exploration and after learning has seen its last step."""
    if practice.plan.judge == 0:
        return {}
    explorer, tally = practice.explorer, practice.tally
    practice.note(average=True)
    for _ in range(PATIENCE):
        if practice.average.version:
            break
        _walk_on(practice, NOTED)
        practice.note(average=True)
    explorer.mailbox, explorer.version, explorer.best = practice.average, 0, True
    practice.stand()
    tally.restart()
    before = tally.falls
    _walk_on(practice, round(practice.plan.judge * practice.opened.spec.rate))
    scored = {f"judged_{name}": value for name, value in tally.scored().items()}
    return {**scored, "judged_falls": tally.falls - before}


def _walk_on(practice: Practice, ticks: int) -> None:
    """For so many ticks."""
    enough = len(practice.tally.own.moved) + ticks
    practice.walk(lambda: len(practice.tally.own.moved) >= enough)
