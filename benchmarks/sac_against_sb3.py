"""Learning to walk, side by side: ours and stable-baselines3's SAC on the same environment, wall clock and judges.

    python benchmarks/sac_against_sb3.py --minutes 4

Both get the task of launch/pupper_forward.yaml, the same features and two cores: ours runs a simulator beside its
learner, theirs steps and learns in turn on two threads. Each final actor is scored on the same fresh draws.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from launch.sac_env import open_env
from launch.sac_judge import episode
from launch.sac_plan import SacPlan, load_plan
from launch.sac_plan import judged as worlds
from launch.sac_score import FRESH, figures
from launch.train_sac import TrainSac, learn
from policies.sac_actor import Float32

CONFIG = Path(__file__).parents[1] / "launch" / "pupper_forward.yaml"


class Stopwatch(BaseCallback):
    """Ends learning when the time is up."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self._end = time.monotonic() + 60 * minutes

    def _on_step(self) -> bool:
        return time.monotonic() < self._end


class Theirs:
    """Their actor, as a judge takes it."""

    def __init__(self, model: SAC) -> None:
        self._model = model

    def best(self, obs: Float32) -> Float32:
        """The action without exploration."""
        action: Float32 = self._model.predict(obs, deterministic=True)[0]
        return action


def theirs(plan: SacPlan, minutes: float) -> dict[str, float]:
    """Train stable-baselines3 with its own defaults for what we do not share: network, batch, gamma and rate."""
    torch.set_num_threads(2)
    sac, env = plan.sac, open_env(plan)
    model = SAC(
        "MlpPolicy",
        env,
        learning_rate=sac.critic_rate,
        gamma=sac.gamma,
        tau=sac.tau,
        batch_size=sac.batch,
        learning_starts=plan.random,
        policy_kwargs={"net_arch": {"pi": list(sac.actor_hidden), "qf": list(sac.critic_hidden)}},
        seed=plan.seed,
        device="cpu",
    )
    model.learn(10**9, callback=Stopwatch(minutes))
    return {"steps": model.num_timesteps, "updates": model._n_updates, **judged(plan, Theirs(model))}


def judged(plan: SacPlan, actor: Theirs) -> dict[str, float]:
    """Score on the draws that our policies are scored on."""
    env = open_env(plan, worlds(plan, plan.walk.seconds))
    made = figures([episode(env, actor, FRESH + number) for number in range(plan.judging.final)])
    env.close()
    return made


def ours(plan: SacPlan, minutes: float) -> dict[str, float]:
    """Train as `leash train sac` does."""
    with tempfile.TemporaryDirectory() as folder:
        config = TrainSac(config=CONFIG, out=Path(folder) / "run", minutes=minutes, seed=plan.seed, video=False)
        return {name: value for name, value in learn(config).items() if isinstance(value, int | float)}


def main() -> None:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    contestants: dict[str, Callable[[SacPlan, float], dict[str, float]]] = {"leash": ours, "sb3": theirs}
    for seed in options.seeds:
        plan = replace(load_plan(CONFIG), seed=seed)
        for name, train in contestants.items():
            made = train(plan, options.minutes)
            print(name, seed, {key: round(float(np.round(value, 4)), 4) for key, value in made.items()})


if __name__ == "__main__":
    main()
