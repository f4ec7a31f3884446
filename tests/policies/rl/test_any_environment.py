"""`leash train sac --env`: the trainer learns in any Gymnasium environment, by both drivers."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.launch.commands.train.command import NOT_MET
from leash_robot.launch.commands.train.command import main as train
from leash_robot.launch.composition.training.gym_task import (
    DEFAULT,
    GymTraining,
    gym_task,
    load_actor,
    load_gym_training,
)
from leash_robot.policies.rl.config import EvaluationConfig
from leash_robot.policies.rl.drivers.synchronous import SynchronousTraining
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.robot.errors import PolicyError, UsageError

Info = dict[str, Any]
PLAN = GymTraining(
    updates=60,
    random=40,
    ratio=1.0,
    capacity=2000,
    compiled=False,
    sac=SacConfig(critic_hidden=(16,), actor_hidden=(16,), batch=16, n_step=1),
    judging=EvaluationConfig(updates=30, episodes=2, final=2),
)


class Line(gymnasium.Env[np.ndarray, np.ndarray]):
    """Stay near the middle of a line; only the critic sees the wind."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-9.0, 9.0, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-3.0, 3.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[np.ndarray, Info]:
        super().reset(seed=seed)
        self._at, self._tick, self._wind = self.np_random.uniform(-1, 1), 0, float(self.np_random.uniform(-0.1, 0.1))
        return self._seen()

    def _seen(self) -> tuple[np.ndarray, Info]:
        return np.array([self._at], np.float32), {"privileged": np.array([self._wind], np.float32)}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, Info]:
        self._at = float(np.clip(self._at + 0.2 * action[0] + self._wind, -3, 3))
        self._tick += 1
        obs, info = self._seen()
        return obs, 1.0 - abs(self._at), abs(self._at) > 2.5, self._tick == 15, info


gymnasium.register("leash-test/Line-v0", entry_point=lambda **_: Line())


def words(folder: Path, plan: GymTraining, *more: str, env: str = "Pendulum-v1") -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "plan.yaml").write_bytes(msgspec.yaml.encode(plan))
    return ["sac", "--env", env, "--config", str(folder / "plan.yaml"), "--out", str(folder / "run"), "--json", *more]


def test_both_drivers_train_and_the_actor_is_scored_on_fresh_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for driver in ([], ["--lockstep"]):
        assert train(words(tmp_path / f"run{len(driver)}", PLAN, *driver)) == 0
        figures = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert figures["updates"] >= 60 and figures["episodes"] == 2 and -2000 < figures["return"] < 0
        task = gym_task("Pendulum-v1", PLAN)
        assert load_actor(Path(figures["policy"]), task).best(np.zeros(3, np.float32)).shape == (1,)


def test_a_training_that_misses_its_return_ends_with_3_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard = words(tmp_path, replace(PLAN, success_return=-0.1), "--lockstep")
    assert train(hard) == NOT_MET
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "--env Pendulum-v1" in figures["go_on"]
    assert train([*figures["go_on"].split()[2:], "--json"]) == NOT_MET
    more = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert more["updates"] > figures["updates"]
    other = [*hard[:2], "leash-test/Line-v0", *hard[3:], "--resume", "--updates", "99999"]
    with pytest.raises(PolicyError, match="trained for spec Pendulum-v1, this one is leash-test/Line-v0"):
        train(other)


def test_learning_in_an_environment_helps_and_is_the_same_from_the_same_seed() -> None:
    plan = replace(PLAN, updates=1500, random=100, sac=replace(PLAN.sac, critic_hidden=(32,), gamma=0.9))
    task = gym_task("leash-test/Line-v0", plan)
    assert task.factory.sizes == Sizes(1, 1, 1)
    trained = []
    for _ in range(2):
        with SynchronousTraining(task) as training:
            while training.trainer.algorithm.updates < 1500:
                training.episode()
            trained.append(training.trainer.flat())
            actor = training.actor
            scores = [score.score for score in task.evaluate(actor, range(20))]
    assert np.array_equal(trained[0], trained[1])
    assert np.mean(scores) > 12, "of 15; standing still earns about 7, random actions less than 0"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("CartPole-v1", "its actions are Discrete"),
        ("Nothing-v3", "doesn't exist"),
        ("leash-test/Unbounded-v0", "whose actions are bounded"),
    ],
)
def test_an_environment_that_cannot_be_learned_in_is_refused_in_one_line(env: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        gym_task(env, PLAN)
    assert "\n" not in str(refused.value)


class Unbounded(Line):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)


gymnasium.register("leash-test/Unbounded-v0", entry_point=lambda **_: Unbounded())


def test_options_of_a_walk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--residual is for a walk"):
        train(words(tmp_path, PLAN, "--residual", "trot"))
    with pytest.raises(PolicyError, match="no expert is known"):
        gym_task("Pendulum-v1", PLAN).demonstrate(Line())


def test_a_file_changes_what_it_names_and_keeps_the_defaults_of_environments(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("{random: 7, success_return: 3}")
    assert load_gym_training(path) == replace(DEFAULT, random=7, success_return=3)
    assert load_gym_training(None) == DEFAULT
