"""`leash eval --top-speed`: the fastest straight walk that a policy follows on the nominal machine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table

from leash_robot.launch.evaluation.options import Commands
from leash_robot.launch.evaluation.pool import GridPool
from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.launch.evaluation.walk import Task
from leash_robot.launch.reporting.output import console
from leash_robot.sim.randomization.sampling import FIXED

SLOWEST, STEP, FASTEST = 0.2, 0.05, 1.5
"""Speeds that are tried, in this order until `PATIENCE` of them in a row fail [m/s]."""
PATIENCE = 2
EPISODES = 4
"""Episodes at each speed, all of which must succeed."""


def measure(policy: str, engine: Engine, seed: int, seconds: float, workers: int) -> dict[str, Any]:
    """The highest speed reached in the mean where every episode succeeded, and all that was tried."""
    task = Task(policy, FIXED, Commands(), seed, seconds)
    with GridPool(workers) as pool:
        tried = list(
            climb(lambda vx: list(pool.walk(replace(task, command=(vx, 0.0, 0.0)), {engine: range(EPISODES)})))
        )
    best = next((row for row in reversed(tried) if row["success"] == EPISODES), None)
    return {
        "top_speed_m_s": best["reached_m_s"] if best else 0.0,
        "command_m_s": best["command_m_s"] if best else 0.0,
        "seconds": seconds,
        "tried": tried,
    }


def climb(walk: Callable[[float], Sequence[Result]]) -> Iterator[dict[str, float]]:
    """Walk at one speed [m/s] after another until `PATIENCE` in a row are not followed; what came of each."""
    failed = 0
    for speed in np.arange(SLOWEST, FASTEST, STEP).round(3).tolist():
        row = _row(speed, walk(speed))
        console.print(f"{speed:.2f} m/s: reaches {row['reached_m_s']:.3f} m/s, {row['success']:.0f} follow")
        yield row
        failed = 0 if row["success"] == EPISODES else failed + 1
        if failed == PATIENCE:
            return


def _row(speed: float, results: Sequence[Result]) -> dict[str, float]:
    return {
        "command_m_s": speed,
        "reached_m_s": float(np.mean([one.reached[0] for one in results])),
        "success": sum(one.success for one in results),
        "no_fall": sum(one.no_fall for one in results),
    }


def table(policy: str, found: dict[str, Any]) -> Table:
    """What was tried, for people."""
    made = Table("asked, m/s", "reached, m/s", "follow", "stay up", title=f"{policy}: {found['top_speed_m_s']:.2f} m/s")
    for row in found["tried"]:
        made.add_row(f"{row['command_m_s']:.2f}", f"{row['reached_m_s']:.3f}", str(row["success"]), str(row["no_fall"]))
    return made
