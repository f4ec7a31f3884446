"""`leash train sac --env NAME`: learn in any Gymnasium environment with bounded continuous actions."""

import contextlib
import statistics
from typing import Any

from leash_robot.launch.commands.train.sac import TrainSac, begin, bounded, drive, going_on, most_updates
from leash_robot.launch.composition.training.gym_task import (
    GymTask,
    episode_returns,
    gym_task,
    load_actor,
    load_gym_training,
    save_actor,
)
from leash_robot.launch.options.seeds import FINAL
from leash_robot.launch.reporting.snapshots import SnapshotReport, return_line
from leash_robot.launch.reporting.training_bar import TrainingBar, check_minutes
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.evaluation import Evaluation, Snapshot, SnapshotSelector
from leash_robot.robot.errors import UsageError


def learn_environment(config: TrainSac, env_id: str) -> dict[str, Any]:
    """Train, and score the best actor on fresh seeds; the figures, as `leash_robot.launch.commands.train.sac.learn`."""
    for name in ("start", "demos", "residual"):
        if getattr(config, name):
            raise UsageError(f"--{'from' if name == 'start' else name} is for a walk; leave it out with --env")
    task = gym_task(env_id, bounded(config, load_gym_training(config.config)))
    run, policy = begin(config, task.config, task.run_hash), config.out / "policy.safetensors"
    check_minutes(task.config, run.before, most_updates(task))

    def save(weights: Weights, made: Evaluation) -> None:
        save_actor(policy, weights, task)

    def report(made: Evaluation, snapshot: Snapshot, better: bool) -> None:
        figures = {"success": made.success, "reward": made.reward, **made.figures}
        curves.add(figures, snapshot, return_line(made, snapshot, better=better))

    selector = SnapshotSelector(task, save, report)
    with TrainingBar(task.config) as bar, contextlib.closing(SnapshotReport(config.out)) as curves:
        with run.hinting():
            if run.resume is not None and policy.exists():
                selector.rescore(task.evaluate(load_actor(policy, task), _seeds(task)))
            figures = drive(config, task, selector, run, bar)
        bar.phase("scoring the policy on fresh seeds")
        figures |= {"met": selector.met or task.threshold is None, **_scored(task, selector, config)}
    return figures if figures["met"] else {**figures, "go_on": going_on(config, task.config, figures["updates"])}


def _seeds(task: GymTask) -> range:
    judging = task.config.judging
    return range(judging.seed, judging.seed + judging.episodes)


def _scored(task: GymTask, selector: SnapshotSelector, config: TrainSac) -> dict[str, Any]:
    """Returns of the best actor on fresh seeds."""
    policy, final = config.out / "policy.safetensors", task.config.judging.final
    if not selector.has_policy or not final:
        return {"policy": None, "episodes": 0}
    returns = episode_returns(task.env_id, load_actor(policy, task), range(FINAL.start, FINAL.start + final))
    figures = {"episodes": final, "return": statistics.fmean(returns), "return_std": statistics.pstdev(returns)}
    if task.threshold is not None:
        figures["success"] = sum(value >= task.threshold for value in returns)
    return {**figures, "policy": str(policy)}
