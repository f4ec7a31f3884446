"""What `leash bench takeover` measures, and what it would find wrong."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leash_robot.benchmarks.safety import lost_page as bench_lost
from leash_robot.benchmarks.safety.takeover import BenchTakeover, Findings, Presser, Stopwatch, figures, judge, measure
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.errors import GateLatched, RobotError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.standing import TRIES, stand
from leash_robot.robot.types import Action, Observation, Source, Tick
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.teleop.intervention.takeover import Takeover
from leash_robot.teleop.operator import LOST, Event

SPEC = load_spec()
POLICY: Source = "policy"
HUMAN: Source = "human"
TURN = [POLICY] * 10 + [HUMAN] * 10


def test_every_label_is_right_and_no_hand_over_jumps_on_a_simulated_robot() -> None:
    found = measure(BenchTakeover("sim", takeovers=2, losses=1))
    assert (found["takeovers"], found["handovers"], found["label_accuracy"]) == (2, 4, 1.0)
    assert found["jump_max_rad"] <= 0.02
    assert found["authority_p95_ms"] > 0.0
    assert 0.0 < found["operator_lost_still_max_ms"] < found["operator_lost_stop_max_ms"]
    assert found["operator_lost_stop_max_ms"] > 1e3 * LOST


def test_presses_and_hand_backs_alternate_at_the_instants_drawn() -> None:
    presser = Presser(2, np.random.default_rng(0))
    presser.begin(10.0)
    seen = [presser.read(10.0 + 0.01 * tick) for tick in range(1000)]
    pressed = [intent.time for before, intent in itertools.pairwise(seen) if intent.engaged > before.engaged]
    assert pressed == pytest.approx(presser.presses, abs=0.011)
    assert all(press <= noticed for press, noticed in zip(presser.presses, pressed, strict=True))
    assert [event for intent in seen for event in intent.events] == [Event.HANDBACK] * 2
    assert presser.held == [intent.engaged for intent in seen]


def test_the_stopwatch_stops_at_the_first_action_of_the_person_that_went_out() -> None:
    presser = Presser(1, np.random.default_rng(0))
    watch = Stopwatch(presser)
    with FakeRobot(SPEC) as robot:
        obs = robot.observe()
    watch.add(ticked("human", 0.0))
    presser.presses.append(0.0)
    watch.add(Tick(obs, Action(SPEC.stand, source="human"), Action(SPEC.stand, source="hold")))
    assert watch.delays == []
    watch.add(ticked("human", 0.0))
    watch.add(ticked("human", 0.0))
    assert len(watch.delays) == 1


class Deaf(Takeover):
    """Hears nobody who takes over."""

    def act(self, obs: Observation) -> Action:
        return replace(Stand(SPEC).act(obs), source="policy")


def test_a_robot_that_is_not_stopped_for_its_lost_operator_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_lost, "Takeover", Deaf)
    opened = Opened(FakeRobot(SPEC), SPEC, load_plan("sim"), Calibration.identity(SPEC))
    with pytest.raises(RobotError, match="drove on"):
        bench_lost.measure_lost(opened, Stand(SPEC), Stand(SPEC), 1, 0)


class Wobbly(FakeRobot):
    """Is stopped by its gate whenever it stands up, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(SPEC)
        self.times = times

    def reset(self) -> None:
        if self.times:
            self.times -= 1
            raise GateLatched("no valid command for 150 ms")
        super().reset()


class Upright:
    """The simulator of a robot that never leans."""

    def truth(self) -> GroundTruth:
        up = np.array([0.0, 0.0, 0.16])
        return GroundTruth(0.0, up, np.zeros(3), np.zeros(3), np.array([0.0, 0.0, -1.0]), np.ones(4))

    def place(self) -> None:
        return None


def test_a_simulated_robot_that_the_gate_stops_is_stood_up_again_but_not_for_ever() -> None:
    for times in (TRIES - 1, TRIES):
        opened = Opened(Wobbly(times), SPEC, load_plan("sim"), Calibration.identity(SPEC), Upright())
        if times < TRIES:
            stand(opened)
        else:
            with pytest.raises(GateLatched):
                stand(opened)


def test_a_machine_that_the_gate_stops_is_stood_up_again_as_long_as_a_person_agrees() -> None:
    consents: list[str] = []
    machine = Opened(Wobbly(3), SPEC, load_plan("sim"), Calibration.identity(SPEC))
    opened = replace(machine, rearm=lambda: consents.append("re-armed"))
    with pytest.raises(GateLatched, match="see to the robot, then start again"):
        stand(opened)
    with pytest.raises(GateLatched):
        stand(opened, lambda cause: not consents)
    assert len(consents) == 1
    stand(opened, lambda cause: True)


def ticked(source: Source, angle: float) -> Tick:
    with FakeRobot(SPEC) as robot:
        action = Action(SPEC.stand + angle, source=source)
        return Tick(robot.observe(), action, action)


def recorded(folder: Path, sources: list[Source], angles: list[float]) -> Episode:
    with Recorder(folder, SPEC, room=0) as recorder:
        recorder.begin()
        for index, (source, angle) in enumerate(zip(sources, angles, strict=True)):
            tick = ticked(source, angle)
            recorder.add(replace(tick, obs=replace(tick.obs, time=100.0 + index * SPEC.period)))
    return read_episode(folder / "episode_000000.mcap")


def test_a_jump_at_a_hand_over_and_a_wrong_label_are_found(tmp_path: Path) -> None:
    angles = [0.0] * 12 + [0.5] * 8
    found = Findings(delays=[0.02])
    judge(recorded(tmp_path, TURN, angles), [False] * 9 + [True] * 11, found)
    made = figures(found, SPEC.period)
    assert made["label_accuracy"] == pytest.approx(19 / 20)
    assert made["handovers"] == 1
    assert made["jump_max_rad"] == pytest.approx(0.1)
    assert made["jump_first_max_rad"] == 0.0


def test_what_happens_after_the_hand_over_is_no_jump(tmp_path: Path) -> None:
    found = Findings(delays=[0.02])
    judge(recorded(tmp_path, TURN, [0.0] * 16 + [0.7] * 4), [False] * 10 + [True] * 10, found)
    assert figures(found, SPEC.period)["jump_max_rad"] == 0.0
