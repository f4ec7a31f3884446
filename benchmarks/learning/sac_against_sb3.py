"""Learning to walk, side by side: ours and stable-baselines3's SAC, tuned, on the same environment and budget.

    python benchmarks/learning/sac_against_sb3.py tune --out runs/sb3
    python benchmarks/learning/sac_against_sb3.py compare --seeds 0 1 2 --out runs/sb3

The task is that of `--config pupper/forward`. Both get the same features (scaled alike), rewards, network widths,
batch, discount and target rate; the same budget of environment steps and of updates, and the same end within it; and
the same choice: a snapshot every so many updates, scored on the same selection draws, the best of which is scored on
reporting draws that chose nothing. CPU seconds stand beside.

`tune` chooses the peer's temperature, target entropy, learning rate, updates a step and number of environments, one
after another (GRID), on draws and seeds that `compare` does not use. A run that is finished is kept: the same command
goes on with the next.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import msgspec
import numpy as np
import torch
import yaml
from msgspec.structs import replace
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from leash_robot.launch.commands.train.sac import TrainSac, learn
from leash_robot.launch.composition.training.schema import WalkTraining, evaluation_walk, load_training
from leash_robot.launch.composition.training.walk_task import PURSUES, WalkTask, episode_score, walk_figures_of
from leash_robot.launch.options.seeds import FINAL
from leash_robot.launch.options.shipped import CONFIGS
from leash_robot.policies.rl.evaluation import IN_A_ROW, Snapshot, summarize
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import Float32
from leash_robot.robot.spec import load_spec
from leash_robot.sim.evaluation.walk_score import score_actor, walk_figures

CONFIG = CONFIGS / "pupper" / "forward.yaml"


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of stable-baselines3's SAC; the defaults are its own."""

    temperature: float = 1.0
    """Where the temperature starts."""
    target_entropy: float = -12.0
    learning_rate: float = 3e-4
    gradient_steps: int = 1
    """Updates for every 5 environment steps. With more than 1 there are so many times as many updates as ours."""
    environments: int = 1
    """Stepped together."""


GRID: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    (
        "entropy",
        tuple(
            {"temperature": temperature, "target_entropy": target}
            for temperature in (1.0, 0.1, 0.02)
            for target in (-12.0, -7.2)
        ),
    ),
    ("learning rate", ({"learning_rate": 3e-4}, {"learning_rate": 5e-4}, {"learning_rate": 1e-3})),
    ("updates a step", ({"gradient_steps": 1}, {"gradient_steps": 2})),
    ("environments", ({"environments": 1}, {"environments": 5})),
)
"""What is tried, one after another; each goes on from the best so far."""
TUNING_SEEDS = (201, 202)
TUNING_UPDATES = 6000
TUNING_DRAWS = 555_000
"""Where the draws begin that snapshots are scored on while the peer is tuned."""
STEPS = 5
"""Environment steps an update, for both."""


def task_of(plan: WalkTraining) -> WalkTask:
    """What is learned."""
    return WalkTask(plan, load_spec())


class Scaled(gymnasium.ObservationWrapper[Float32, Float32, Float32]):
    """The features that our networks see, which are scaled in their first layer."""

    def __init__(self, plan: WalkTraining) -> None:
        super().__init__(task_of(plan).make_env())
        self._scale = scale_of(plan.features, 12)

    def observation(self, observation: Float32) -> Float32:
        """Scaled."""
        return observation * self._scale


class Theirs:
    """Their actor, as a judge takes it."""

    def __init__(self, model: SAC, plan: WalkTraining) -> None:
        self._model, self._scale = model, scale_of(plan.features, 12)

    def best(self, obs: Float32) -> Float32:
        """The action without exploration."""
        action: Float32 = self._model.predict(obs * self._scale, deterministic=True)[0]
        return action


class Snapshots(BaseCallback):
    """Scores a snapshot every so many updates, and keeps the best, by the rule that our trainings use."""

    def __init__(self, plan: WalkTraining, updates: int) -> None:
        super().__init__()
        self._plan, self._updates, self._next = plan, updates, plan.judging.updates
        self.env = task_of(plan).open_env(evaluation_walk(plan, plan.judging.seconds))
        self.rows: list[dict[str, Any]] = []
        self.best: float | None = None
        self._row = 0
        self.weights: dict[str, torch.Tensor] = {}

    def _on_step(self) -> bool:
        updates = self.model._n_updates
        if updates >= self._next:
            self.judge()
            self._next += self._plan.judging.updates
        met = self._plan.stop and self._row >= IN_A_ROW
        return bool(updates < self._updates and not met)

    def judge(self) -> None:
        """Score the actor as it is now."""
        judging, actor = self._plan.judging, Theirs(self.model, self._plan)  # type: ignore[arg-type]
        seeds = range(judging.seed, judging.seed + judging.episodes)
        snapshot = Snapshot(0.0, self.num_timesteps, self.model._n_updates, {}, {}, 0.0)
        scores = [episode_score(score_actor(self.env, actor, seed)) for seed in seeds]
        row = summarize(task_of(self._plan), snapshot, scores)
        self.rows.append(walk_figures_of(row))
        print(
            f"  {row.steps} steps, {row.updates} updates: {row.success}/{row.episodes}, up {self.rows[-1]['no_fall']}",
            flush=True,
        )
        good = row.eligible and row.success >= judging.target * row.episodes
        self._row = self._row + 1 if good else 0
        if row.eligible and (self.best is None or row.score > self.best):
            self.best = row.score
            self.weights = {name: value.clone() for name, value in self.model.policy.state_dict().items()}


def theirs(plan: WalkTraining, peer: Peer, updates: int) -> dict[str, Any]:
    """Train stable-baselines3; the best snapshot on the reporting draws."""
    torch.set_num_threads(1)
    sac = plan.sac
    model = SAC(
        "MlpPolicy",
        DummyVecEnv([lambda: Scaled(plan)] * peer.environments),
        learning_rate=peer.learning_rate,
        gamma=sac.gamma,
        tau=sac.tau,
        batch_size=sac.batch,
        learning_starts=plan.random,
        train_freq=max(1, STEPS // peer.environments),
        gradient_steps=peer.gradient_steps,
        ent_coef=f"auto_{peer.temperature}",
        target_entropy=peer.target_entropy,
        policy_kwargs={"net_arch": {"pi": list(sac.actor_hidden), "qf": list(sac.critic_hidden)}},
        seed=plan.seed,
        device="cpu",
    )
    snapshots = Snapshots(plan, updates * peer.gradient_steps)
    model.learn(10**9, callback=snapshots)
    if snapshots.rows[-1]["updates"] < model._n_updates:
        snapshots.judge()
    found: dict[str, Any] = {"steps": model.num_timesteps, "updates": model._n_updates, "rows": snapshots.rows}
    if snapshots.weights:
        model.policy.load_state_dict(snapshots.weights)
        found |= reported(plan, Theirs(model, plan))
    return {**found, "merit": snapshots.best}


def reported(plan: WalkTraining, actor: Theirs) -> dict[str, float]:
    """Score on the reporting draws, on which our policies are scored too."""
    env = task_of(plan).open_env(evaluation_walk(plan, plan.walk.seconds))
    made = walk_figures([score_actor(env, actor, FINAL.start + number) for number in range(plan.judging.final)])
    env.close()
    return made


def ours(plan: WalkTraining, folder: Path) -> dict[str, Any]:
    """Train as `leash train sac` does."""
    folder.mkdir(parents=True)
    config = folder / "plan.yaml"
    config.write_text(yaml.safe_dump(msgspec.to_builtins(plan)))
    return learn(TrainSac(config=config, out=folder / "run", video=False, collectors=1))


def run_one(options: argparse.Namespace) -> None:
    """One training, in a process of its own so that its CPU time is known."""
    plan = replace(load_training(CONFIG), seed=options.seed, updates=options.updates)
    plan = replace(plan, ratio=1 / STEPS, sac=replace(plan.sac, precision=options.precision))
    judging = replace(plan.judging, updates=options.updates // options.snapshots, final=options.final)
    plan = replace(plan, judging=replace(judging, seed=options.draws or judging.seed))
    if options.peer:
        made = theirs(plan, msgspec.json.decode(options.peer, type=Peer), options.updates)
    else:
        made = ours(plan, options.file.with_suffix(""))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    made["cpu_seconds"] = sum(one.ru_utime + one.ru_stime for one in used)
    options.file.write_text(json.dumps(made, default=float))


def started(file: Path, seed: int, peer: Peer | None, options: argparse.Namespace, *words: str) -> dict[str, Any]:
    """The figures of one training, from before or of now."""
    if not file.exists():
        print(file.stem, msgspec.json.encode(peer).decode() if peer else "", flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        extra = ["--peer", msgspec.json.encode(peer).decode()] if peer else []
        own = ["one", "--file", str(file), "--seed", str(seed), "--precision", options.precision, *extra, *words]
        subprocess.run([*options.prefix.split(), sys.executable, __file__, *own], check=True)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def promise(row: dict[str, Any]) -> float:
    """How far a snapshot got: its merit, or less than any merit by how much of its commands it lacks."""
    return float(row["merit"] if row["pursuit"] >= PURSUES else row["pursuit"] - 2.0)


def tune(options: argparse.Namespace) -> None:
    """Go through the grid with one seed, try the two best with another; write the best settings into `tuned.json`."""
    tried: dict[Peer, list[float]] = {}
    words = ("--updates", str(TUNING_UPDATES), "--snapshots", "3", "--draws", str(TUNING_DRAWS), "--final", "0")

    def attempt(peer: Peer, seed: int) -> None:
        name = "_".join(f"{value:g}" for value in msgspec.structs.astuple(peer))
        found = started(options.out / "tuning" / f"{name}_{seed}.json", seed, peer, options, *words)
        tried.setdefault(peer, []).append(max(map(promise, found["rows"])))

    best = Peer()
    for what, changes in GRID:
        for candidate in (replace(best, **change) for change in changes):
            if candidate not in tried:
                attempt(candidate, TUNING_SEEDS[0])
        best = max(tried, key=lambda each: tried[each][0])
        print(f"{what}: {msgspec.json.encode(best).decode()}", flush=True)
    two = sorted(tried, key=lambda each: -tried[each][0])[:2]
    for peer in two:
        attempt(peer, TUNING_SEEDS[1])
    best = max(two, key=lambda each: np.mean(tried[each]))
    rows = [{**msgspec.to_builtins(peer), "merits": merits} for peer, merits in tried.items()]
    (options.out / "tuned.json").write_text(json.dumps({"peer": msgspec.to_builtins(best), "tried": rows}, indent=1))


def compare(options: argparse.Namespace) -> None:
    """Train both with each seed; print the table."""
    peer = msgspec.convert(json.loads((options.out / "tuned.json").read_text())["peer"], Peer)
    words = ("--updates", str(options.updates), "--snapshots", "10", "--final", str(options.final))
    rows = []
    for seed in options.seeds:
        for name, settings in (("leash", None), ("sb3", peer)):
            found = started(options.out / f"{name}_{seed}.json", seed, settings, options, *words)
            rows.append((name, seed, found))
    for name, seed, found in rows:
        keys = ("steps", "updates", "cpu_seconds", "success", "no_fall", "speed_error", "yaw_error")
        print(name, seed, {key: round(float(found[key]), 3) if key in found else None for key in keys})


def main() -> None:
    """Tune, compare, or run one training for either."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tune", "compare", "one"))
    parser.add_argument("--out", type=Path, default=Path("runs/sb3"), help="folder for figures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--final", type=int, default=20, help="reporting draws")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="float32", help="of ours")
    parser.add_argument("--prefix", default="", help="command that each training is started by, such as nice")
    for name, kind in (("file", Path), ("seed", int), ("peer", str), ("snapshots", int), ("draws", int)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    {"tune": tune, "compare": compare, "one": run_one}[options.what](options)


if __name__ == "__main__":
    main()
