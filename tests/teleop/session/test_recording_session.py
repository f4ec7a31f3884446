"""A recording session: what stops the robot, what stands it up again, and whose consent that needs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Source, Tick
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.scripted_operator import Scripted, Segment
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.recording_session import REFUSED, RecordingSession

SPEC = load_spec()


class Umpire:
    """A simulator that says whether the robot fell."""

    def __init__(self) -> None:
        self.fallen = False
        self.placed = 0

    def truth(self) -> GroundTruth:
        height = 0.0 if self.fallen else 0.15
        zeros = np.zeros(3)
        down = np.array([0.0, 0.0, -1.0])
        return GroundTruth(0.0, np.array([0.0, 0.0, height]), zeros, zeros, down, np.ones(4, dtype=bool))

    def place(self) -> None:
        self.placed += 1
        self.fallen = False


class Nowhere:
    """A recorder that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.cut_short: dict[int, str] = {}
        self.missing: dict[int, str] = {}

    def begin(self) -> int:
        self.count += 1
        return self.count - 1

    def add(self, tick: Tick) -> None:
        return None

    def end(self, outcome: str = "unlabelled", reason: str = "stopped", detail: str = "") -> None:
        return None


def session_of(
    *, live: bool, simulator: Umpire | None = None, enough: int = 3, script: Sequence[Segment] = ()
) -> RecordingSession:
    opened = Opened(FakeRobot(SPEC), SPEC, load_plan("sim"), Calibration.identity(SPEC), simulator)
    drive = Drive(Scripted(script), Stand(SPEC))
    episodes = EpisodeStateMachine(Nowhere(), lambda index, outcome: None, lambda: drive.intent)
    return RecordingSession(opened, drive, drive, episodes, Lateness(SPEC.period), enough, live)


def tick_of(wanted: Source, sent: Source) -> Tick:
    with FakeRobot(SPEC) as robot:
        return Tick(robot.observe(), Action(SPEC.stand, source=wanted), Action(SPEC.stand, source=sent))


def test_a_late_answer_of_the_gate_is_forgiven_but_not_a_refusal() -> None:
    made = session_of(live=True)
    late, good = tick_of("human", "safety"), tick_of("human", "human")
    for tick in [late] * (REFUSED - 1) + [good] + [late] * (REFUSED - 1):
        assert not made.over(tick)
        assert not made.drive.stopped
    assert not made.over(late)
    assert made.drive.stopped


def test_a_policy_that_asks_for_a_stop_is_stopped_at_once() -> None:
    made = session_of(live=True)
    made.over(tick_of("safety", "safety"))
    assert made.drive.stopped


def test_a_robot_that_fell_waits_for_a_person_if_there_is_one() -> None:
    umpire = Umpire()
    made = session_of(live=True, simulator=umpire)
    umpire.fallen = True
    assert made.cause() == "the robot fell over"
    assert not made.over(tick_of("human", "human"))
    assert made.drive.stopped
    made.drive.rearm()
    assert made.over(tick_of("safety", "safety"))
    made.ready()
    assert umpire.placed == 1


def test_a_simulated_robot_that_a_script_drives_is_stood_up_at_once() -> None:
    umpire = Umpire()
    made = session_of(live=False, simulator=umpire)
    umpire.fallen = True
    assert made.over(tick_of("human", "human"))
    made.ready()
    assert (umpire.placed, umpire.fallen) == (1, False)


def test_re_arming_gives_the_gate_a_persons_consent() -> None:
    consents: list[int] = []
    made = session_of(live=True)
    assert isinstance(made.opened, Opened)
    made.opened = replace(made.opened, rearm=lambda: consents.append(1))
    made.ready()
    assert consents == []
    made.drive.stop()
    made.drive.rearm()
    made.ready()
    assert consents == [1]
