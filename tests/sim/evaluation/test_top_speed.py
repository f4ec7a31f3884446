"""The fastest straight walk that a policy follows."""

import msgspec
import numpy as np
import pytest

from leash_robot.launch.commands.eval.held_out import LocalPolicy
from leash_robot.launch.reporting.evaluation_table import speeds
from leash_robot.robot.spec import load_spec
from leash_robot.sim.evaluation.result import EpisodeResult
from leash_robot.sim.evaluation.top_speed import EPISODES, PATIENCE, climb, nominal_task, top_speed
from support.episode_results import result


def at(speed: float, *, success: bool) -> list[EpisodeResult]:
    one = msgspec.structs.replace(result(0, success=success), reached=(0.9 * speed, 0.0, 0.0))
    return [one] * EPISODES


def test_speeds_are_tried_upwards_until_two_in_a_row_are_not_followed() -> None:
    rows = list(climb(lambda speed: at(speed, success=speed < 0.4 or speed == 0.45)))
    asked = [row["command_m_s"] for row in rows]
    assert asked == pytest.approx(np.arange(0.2, 0.56, 0.05))
    followed = [row["command_m_s"] for row in rows if row["success"] == EPISODES]
    assert followed[-1] == 0.45 and rows[5]["reached_m_s"] == pytest.approx(0.405)


def test_who_only_stands_has_no_top_speed() -> None:
    found = top_speed(nominal_task(LocalPolicy("stand"), load_spec(), seed=0, seconds=2.0), "sim", workers=1)
    assert found["top_speed_m_s"] == 0.0 and len(found["tried"]) == PATIENCE
    assert all(row["no_fall"] == EPISODES for row in found["tried"])
    assert speeds("stand", found).row_count == PATIENCE
