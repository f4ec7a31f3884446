"""Counts, intervals, and the axis that breaks a policy."""

import msgspec
import numpy as np
import pytest

from leash_robot.sim.evaluation.figures import breaking, by_axis, figures, transport
from leash_robot.sim.evaluation.result import EpisodeResult
from support.episode_results import result


def mixed() -> list[EpisodeResult]:
    """Sixty draws that fail when they are heavy."""
    return [result(draw, success=draw < 40, mass=0.7 + draw / 100) for draw in range(60)]


def test_figures_count_and_give_intervals() -> None:
    found = figures(mixed())
    assert (found["episodes"], found["success"], found["no_fall"]) == (60, 40, 50)
    low, high = found["success_interval"]
    assert low < 40 / 60 < high and (low, high) == pytest.approx((0.539, 0.773), abs=2e-3)
    assert found["cost_of_transport"] == pytest.approx(60.0 / (20.0 * 6.0))
    assert found["speed_rmse"] == pytest.approx(0.04) and found["action_rate"] == pytest.approx(0.1)


def test_the_axis_that_breaks_a_policy_comes_first() -> None:
    spans = breaking(mixed())
    assert spans[0] == ("mass x", 1.0) and spans[1][1] < 0.5
    light, middle, heavy = by_axis(mixed())["mass x"]
    assert (light.rate, middle.rate, heavy.rate) == (1.0, 1.0, 0.0)
    assert light.low == 0.7 and heavy.high == pytest.approx(1.29) and light.episodes == 20


def test_transport_leaves_out_what_fell_or_was_to_stand() -> None:
    fell = msgspec.structs.replace(result(1, success=False), work=1e6)
    still = msgspec.structs.replace(result(2), command=(0.0, 0.0, 0.5), work=1e6)
    assert transport([result(0), fell, still]) == pytest.approx(0.5)
    assert np.isnan(transport([still]))
