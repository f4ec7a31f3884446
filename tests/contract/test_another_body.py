"""The page about another body: its spec is one, and its driver passes the contract test."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_robot_contract as contract

from leash_robot.robot.fake import NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Robot
from support.paths import ROOT

PAGE = (ROOT / "docs" / "how-to" / "another_body.md").read_text()
SIMPLE = [
    contract.test_it_stands_after_reset,
    contract.test_observations_have_the_shapes_and_units_that_are_promised,
    contract.test_ticks_are_one_period_apart,
    contract.test_what_was_sent_is_clamped_to_range_and_step,
    contract.test_what_was_sent_keeps_command_source_and_risk,
    contract.test_holding_keeps_the_last_target,
    contract.test_an_action_that_has_expired_is_held_instead,
    contract.test_targets_move_the_joints,
    contract.test_it_lies_down_and_stands_up_again,
    contract.test_the_loop_runs_on_it,
]


def block(language: str) -> str:
    """The first block of the page in a language."""
    return str(re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0])


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[Callable[..., Robot]]:
    path = tmp_path / "arm.py"
    path.write_text(block("python"))
    found = importlib.util.spec_from_file_location("documented_arm", path)
    assert found is not None and found.loader is not None
    module: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module.Arm


@pytest.mark.parametrize("check", SIMPLE, ids=lambda check: check.__name__)
def test_the_documented_driver_keeps_the_contract(arm: Callable[..., Robot], check: Callable[[Robot], None]) -> None:
    with arm(contract.SPEC) as robot:
        check(robot)


def test_the_documented_driver_does_not_follow_what_is_no_number(arm: Callable[..., Robot]) -> None:
    with arm(contract.SPEC) as robot:
        contract.test_a_target_that_is_no_number_is_not_followed(robot, float("nan"))


def test_the_documented_spec_drives_the_documented_driver(arm: Callable[..., Robot], tmp_path: Path) -> None:
    path = tmp_path / "desk_arm.yaml"
    path.write_text(block("yaml"))
    spec = load_spec(path)
    assert spec.names == ("base", "shoulder", "elbow")

    class Still:
        def reset(self) -> None: ...

        def act(self, obs: Observation) -> Action:
            return Action(spec.stand)

    with arm(spec) as robot, NoLog() as log:
        robot.reset()
        assert run(robot, Still(), log, ticks=5) == 5
