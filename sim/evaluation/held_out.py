"""A held-out evaluation: the samples that are missing, rolled out in worker processes; and how well engines agree."""

from collections.abc import Iterator, Mapping, Sequence

from leash_robot.robot.host.worker_pool import WorkerPool
from leash_robot.sim.evaluation.result import Engine, EpisodeResult
from leash_robot.sim.evaluation.rollout import HeldOutTask, roll_out_samples


def roll_out_missing(
    task: HeldOutTask, missing: Mapping[Engine, Sequence[int]], pool: WorkerPool
) -> Iterator[EpisodeResult]:
    """Roll out these samples; yields results as they come. Raises RobotError when a worker dies."""
    jobs = [(task, engine, [index]) for engine, indices in missing.items() for index in indices]
    for results in pool.each(roll_out_samples, jobs):
        yield from results


def agreement(virtual: Sequence[EpisodeResult], realtime: Sequence[EpisodeResult]) -> dict[str, float]:
    """How alike the same samples went in virtual time and in real time."""
    others = {one.draw: one for one in realtime}
    pairs = [(one, others[one.draw]) for one in virtual if one.draw in others]
    up = [(one, other) for one, other in pairs if one.no_fall and other.no_fall]
    apart = [abs(a - b) for one, other in up for a, b in zip(one.reached[:2], other.reached[:2], strict=True)]
    return {
        "draws": len(pairs),
        "same_fall": sum(one.no_fall == other.no_fall for one, other in pairs),
        "same_success": sum(one.success == other.success for one, other in pairs),
        "speed_apart_m_s": sum(apart) / len(apart) if apart else float("nan"),
    }
