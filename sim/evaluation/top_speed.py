"""The fastest straight walk that a policy follows on the nominal machine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leash_robot.robot.host.worker_pool import WorkerPool
from leash_robot.robot.spec import Spec
from leash_robot.sim.evaluation.held_out import roll_out_missing
from leash_robot.sim.evaluation.result import Engine, EpisodeResult
from leash_robot.sim.evaluation.rollout import HeldOutTask, PolicyFactory
from leash_robot.sim.evaluation.samples import CommandRanges
from leash_robot.sim.randomization.sampling import FIXED

SLOWEST, STEP, FASTEST = 0.2, 0.05, 1.5
"""Speeds that are tried, in this order until `PATIENCE` of them in a row fail [m/s]."""
PATIENCE = 2
EPISODES = 4
"""Episodes at each speed, all of which must succeed."""
Report = Callable[[str], object]


def nominal_task(policy: PolicyFactory, spec: Spec, seed: int, seconds: float) -> HeldOutTask:
    """Episodes on the nominal machine, which differ in their noise alone."""
    return HeldOutTask(policy, spec, FIXED, CommandRanges(), seed, seconds)


def top_speed(task: HeldOutTask, engine: Engine, workers: int, report: Report = lambda line: None) -> dict[str, Any]:
    """The highest speed reached in the mean where every episode succeeded, and all that was tried."""
    with WorkerPool(workers) as pool:

        def walk(vx: float) -> list[EpisodeResult]:
            return list(roll_out_missing(replace(task, command=(vx, 0.0, 0.0)), {engine: range(EPISODES)}, pool))

        tried = list(climb(walk, report))
    best = next((row for row in reversed(tried) if row["success"] == EPISODES), None)
    return {
        "top_speed_m_s": best["reached_m_s"] if best else 0.0,
        "command_m_s": best["command_m_s"] if best else 0.0,
        "seconds": task.seconds,
        "tried": tried,
    }


def climb(
    walk: Callable[[float], Sequence[EpisodeResult]], report: Report = lambda line: None
) -> Iterator[dict[str, float]]:
    """Walk at one speed [m/s] after another until `PATIENCE` in a row are not followed; the figures of each."""
    failed = 0
    for speed in np.arange(SLOWEST, FASTEST, STEP).round(3).tolist():
        row = _row(speed, walk(speed))
        report(f"{speed:.2f} m/s: reaches {row['reached_m_s']:.3f} m/s, {row['success']:.0f} follow")
        yield row
        failed = 0 if row["success"] == EPISODES else failed + 1
        if failed == PATIENCE:
            return


def _row(speed: float, results: Sequence[EpisodeResult]) -> dict[str, float]:
    return {
        "command_m_s": speed,
        "reached_m_s": float(np.mean([one.reached[0] for one in results])),
        "success": sum(one.success for one in results),
        "no_fall": sum(one.no_fall for one in results),
    }
