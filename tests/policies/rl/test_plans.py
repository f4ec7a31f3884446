"""The plans that come with leash can be read, and say what they are for."""

from pathlib import Path

import pytest

from leash_robot.launch.composition.training.schema import evaluation_walk, load_training
from support.paths import CONFIGS

PLANS = sorted(file for file in CONFIGS.glob("pupper/*.yaml") if file.stem != "live")


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_is_read_and_judges_one_command_an_episode(path: Path) -> None:
    plan = load_training(path)
    world = evaluation_walk(plan, 8.0)
    assert world.commands.hold > 8.0
    assert world.ranges == plan.walk.ranges
    lowest, highest = plan.walk.commands.vx
    assert lowest <= world.commands.vx[0] <= world.commands.vx[1] <= highest, "judged on what was never trained"
