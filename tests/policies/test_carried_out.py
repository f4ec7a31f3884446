"""What is stored is what was done, also where the action box cannot express it; the actor does not learn that."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from numpy.typing import ArrayLike

from leash_robot.launch.composition.training.robot_task import robot_factory
from leash_robot.launch.composition.training.schema import ON_ROBOT, WalkTraining
from leash_robot.launch.composition.training.walk_policy import action_filter_of
from leash_robot.launch.composition.training.walk_task import WalkTask
from leash_robot.policies.rl.algorithm import demonstration_columns
from leash_robot.policies.rl.demonstrations import count_demonstrated
from leash_robot.policies.rl.drivers.collector import demonstration_recorder
from leash_robot.policies.rl.drivers.learning_actor import ActionSource, ExpertActor, LearningActor, RobotTask
from leash_robot.policies.rl.drivers.transitions import TransitionRecorder
from leash_robot.policies.rl.replay_buffer import FINAL, ReplayBuffer
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.config import SacConfig, Share
from leash_robot.policies.rl.sac.numpy_actor import Float32
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.encoding.action_filter import expressible
from leash_robot.robot.locomotion.odometry import MotionEstimate
from leash_robot.robot.locomotion.velocity_reward import MeasuredWeights, measured_terms
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Source, Tick
from leash_robot.sim.envs.demonstrator import WalkDemonstrator
from leash_robot.sim.envs.walk_config import WalkConfig

SPEC, PLAN = load_spec(), ON_ROBOT
COMMAND = np.array([0.4, 0.0, 0.0])
FILTER, FACTORY = action_filter_of(PLAN, SPEC), robot_factory(PLAN, SPEC)


class Upright:
    """Fits `StateEstimator`: a robot that stands at its usual height."""

    def reset(self) -> None:
        """Nothing to forget."""

    def step(self, obs: Observation, target: Array | None = None) -> MotionEstimate:
        """Always the same."""
        return MotionEstimate(np.zeros(3), 0.16)


class Quiet:
    """Fits `ActionSource`: the middle of the box."""

    demonstrates = False
    wanted: Float32 | None = None

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """No offset."""
        return np.zeros(len(last))


def learning(source: ActionSource, memory: TransitionRecorder, hold: float = 10.0) -> LearningActor:
    reward = partial(measured_terms, weights=MeasuredWeights())
    task = RobotTask(SPEC, PLAN.features, FILTER, lambda rng: COMMAND, hold, reward, Upright())
    return LearningActor(task, source, memory)


@pytest.fixture
def memory() -> Iterator[TransitionRecorder]:
    online = ReplayBuffer(capacity=400, columns=FACTORY.columns)
    shown = ReplayBuffer(capacity=400, columns=demonstration_columns(FACTORY))
    yield TransitionRecorder(online, shown)
    for replay in (online, shown):
        replay.close()


def seen(number: int, command: Array) -> Observation:
    still = np.zeros(12)
    upright = np.array([0.0, 0.0, -1.0])
    return Observation(0.05 * number, 0.0, np.array(SPEC.stand), still, still, upright, np.zeros(3), command)


def driven(actor: LearningActor, targets: list[Array], source: Source) -> None:
    """Let somebody send these targets."""
    command = np.array([0.3, 0.0, 0.0])
    for number, target in enumerate(targets):
        obs = seen(number, command)
        wanted = actor.act(obs)
        sent = Action(target, command, source)
        actor.add(Tick(obs, Action(target, command, source) if source == "human" else wanted, sent))


def trot(count: int) -> list[Array]:
    """Targets of a scripted trot, many of which the default box cannot express."""
    walk, command = Trot(SPEC), np.array([0.4, 0.0, 0.0])
    return [walk.act(seen(number, command)).joint_pos for number in range(count)]


def replayed(actions: Float32) -> Array:
    """The targets (T, n) that these actions ask for, one after another."""
    last, targets = np.zeros(12), []
    for action in actions:
        last = FILTER.offset(action, last)
        targets.append(last + SPEC.stand)
    return np.array(targets)


def rows(replay: ReplayBuffer, name: str) -> Float32:
    """A column where there is a step."""
    real = replay.columns["end"][: replay.written] != FINAL
    made: Float32 = replay.columns[name][: replay.written][real]
    return made


def test_a_persons_targets_are_stored_as_they_were_carried_out(memory: TransitionRecorder) -> None:
    targets = trot(60)
    driven(learning(Quiet(), memory), targets, "human")
    for replay in (memory._online, memory._shown):
        actions = rows(replay, "action")
        assert not expressible(actions).all()
        np.testing.assert_allclose(replayed(actions), targets[: len(actions)], atol=1e-4)
    np.testing.assert_array_equal(rows(memory._shown, "wanted"), rows(memory._shown, "action"))
    assert memory.left_out == (~expressible(rows(memory._shown, "action"))).sum() > 10


def test_a_teachers_targets_out_of_the_box_are_left_out_though_what_was_done_lay_inside(
    memory: TransitionRecorder,
) -> None:
    teacher = ExpertActor(FILTER, SPEC.stand, Trot(SPEC), np.random.default_rng(0))
    actor = learning(teacher, memory, hold=60.0)
    for number in range(60):
        obs = seen(number, np.zeros(3))
        wanted = actor.act(obs)
        actor.add(Tick(obs, wanted, wanted))
    done, meant = rows(memory._shown, "action"), rows(memory._shown, "wanted")
    assert expressible(done).all() and not expressible(meant).all()
    assert memory.left_out == (~expressible(meant)).sum()


def test_an_actor_that_drives_demonstrates_nothing(memory: TransitionRecorder) -> None:
    driven(learning(Quiet(), memory), trot(20), "policy")
    assert memory._shown.written == memory.demonstrated == memory.left_out == 0


@pytest.fixture
def replays() -> Iterator[tuple[ReplayBuffer, ReplayBuffer]]:
    """Own steps; and demonstrated ones, of which every third was meant to leave the box."""
    columns = (("obs", (2,), "f4"), ("privileged", (0,), "f4"), ("action", (3,), "f4"), ("reward", (), "f4"))
    layout = (*columns, ("end", (), "u1"), ("burst", (), "u4"))
    online, shown = (
        ReplayBuffer(capacity=200, columns=layout),
        ReplayBuffer(capacity=200, columns=(*layout, ("wanted", (3,), "f4"))),
    )
    rest: dict[str, ArrayLike] = {"privileged": np.zeros(0), "reward": 1.0, "end": 0, "burst": 0}
    for number in range(99):
        online.add(obs=np.zeros(2), action=np.zeros(3), **rest)
        meant = np.array([0.5, 2.5 if number % 3 == 0 else 0.5, 0.5])
        shown.add(obs=np.full(2, number % 3), action=meant, wanted=meant, **rest)
    yield online, shown
    for replay in (online, shown):
        replay.close()


def test_critics_learn_what_was_done_and_the_pull_leaves_it_out(replays: tuple[ReplayBuffer, ReplayBuffer]) -> None:
    online, shown = replays
    config = SacConfig(batch=64, n_step=1)
    batch = Batches([online], config, {}, demonstrated=[shown], share=Share(0.5, 0.5, 1)).draw(0)
    outside = (batch.action.abs() > 1).any(dim=1)
    assert outside.sum() > 3
    np.testing.assert_allclose(batch.action[outside][:, 1], 2.5)
    assert not batch.demonstrated[outside].any()
    assert batch.demonstrated.sum() == 32 - outside.sum()


def test_imitation_leaves_out_what_the_box_cannot_express(replays: tuple[ReplayBuffer, ReplayBuffer]) -> None:
    obs, action = Batches(replays[1:], SacConfig(batch=64, n_step=1), {}).pairs()
    assert 0 < len(obs) == len(action) < 64
    assert action.abs().max() <= 1 and not (obs == 0).any()
    recorded = np.zeros((9, 2), np.float32), np.full((9, 3), 1.5, np.float32)
    assert len(Batches(replays[1:], SacConfig(batch=64, n_step=1), {}).pairs(recorded)[0]) == 0


def test_demonstrations_in_simulation_say_what_was_meant_and_count_what_is_left_out() -> None:
    task = WalkTask(WalkTraining(walk=WalkConfig(seconds=2.0, box=(0.05, 0.1, 0.1))), SPEC)
    env = task.make_env()
    with ReplayBuffer(capacity=200, columns=demonstration_columns(task.factory)) as shown:
        expert = WalkDemonstrator(env, Trot(SPEC))
        recorder = demonstration_recorder(env, shown, expert, np.random.default_rng(0))
        recorder.begin(0)
        while not recorder.step(random=False)[1]:
            pass
        meant = rows(shown, "wanted")
        assert expressible(rows(shown, "action")).all()
        counts = count_demonstrated([shown])
        assert counts == {"demonstrated": len(meant), "left_out": (~expressible(meant)).sum()}
        assert counts["left_out"] > 5
    env.close()
