"""The figures of a held-out evaluation: how many episodes succeed, with intervals, and which axis breaks a policy."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from leash_robot.robot.statistics import wilson_interval
from leash_robot.sim.evaluation.result import EpisodeResult

MOVING = 0.1
"""Cost of transport counts episodes that were commanded at least this fast [m/s]."""
PARTS = 3
"""An axis is cut into this many parts with as many episodes each."""


class AxisPart(NamedTuple):
    """A third of the episodes, by the value of one axis."""

    low: float
    high: float
    episodes: int
    success: int
    no_fall: int

    @property
    def rate(self) -> float:
        """Share that succeeded."""
        return self.success / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of that."""
        return wilson_interval(self.success, self.episodes)


def figures(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Of one engine's episodes, at least one. Counts, shares with Wilson's 95 % interval, and means."""
    count = len(results)
    success, no_fall = sum(one.success for one in results), sum(one.no_fall for one in results)
    return {
        "episodes": count,
        "success": success,
        "success_interval": wilson_interval(success, count),
        "no_fall": no_fall,
        "no_fall_interval": wilson_interval(no_fall, count),
        "speed_error_m_s": _mean([one.speed_error for one in results]),
        "yaw_error_rad_s": _mean([one.yaw_error for one in results]),
        "speed_rmse": _mean([one.speed_rmse for one in results]),
        "action_rate": _mean([one.action_rate for one in results]),
        "action_rate_own_box": own_action_rate(results),
        "cost_of_transport": transport(results),
        "stopped": sum(bool(one.why) for one in results),
        "axes": {name: [part._asdict() for part in parts] for name, parts in by_axis(results).items()},
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def own_action_rate(results: Sequence[EpisodeResult]) -> float:
    """As a share of the policy's own action scale, over the episodes that began; NaN where it has none."""
    rates = [one.own_action_rate for one in results if one.own_action_rate is not None]
    return _mean(rates) if rates else float("nan")


def transport(results: Sequence[EpisodeResult]) -> float:
    """Work per weight and distance over all episodes that stayed up and were commanded to move; NaN without any."""
    going = [one for one in results if one.no_fall and one.work is not None and np.hypot(*one.command[:2]) >= MOVING]
    carried = sum(one.weight * one.metres for one in going)
    return sum(one.work or 0.0 for one in going) / carried if carried else float("nan")


def by_axis(results: Sequence[EpisodeResult]) -> dict[str, list[AxisPart]]:
    """Thirds of the episodes along each axis, from its low end up."""
    return {name: _parts(results, name) for name in results[0].axes}


def _parts(results: Sequence[EpisodeResult], name: str) -> list[AxisPart]:
    ordered = sorted(results, key=lambda one: one.axes[name])
    cuts = np.linspace(0, len(ordered), PARTS + 1).round().astype(int)
    return [_part(ordered[low:high], name) for low, high in itertools.pairwise(cuts.tolist()) if high > low]


def _part(results: Sequence[EpisodeResult], name: str) -> AxisPart:
    values = [one.axes[name] for one in results]
    success, no_fall = sum(one.success for one in results), sum(one.no_fall for one in results)
    return AxisPart(min(values), max(values), len(results), success, no_fall)


def breaking(results: Sequence[EpisodeResult]) -> list[tuple[str, float]]:
    """Axes by how much success differs between their best and their worst part, largest first."""
    spans = [(name, _span(parts)) for name, parts in by_axis(results).items()]
    return sorted(spans, key=lambda span: -span[1])


def _span(parts: Sequence[AxisPart]) -> float:
    rates = [part.rate for part in parts]
    return max(rates) - min(rates)
