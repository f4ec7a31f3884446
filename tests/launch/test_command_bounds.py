"""A command beyond what the robot or the policy states is refused in one line that names the bound."""

from pathlib import Path

import msgspec
import pytest
from safetensors.numpy import load_file

from leash_robot.launch.commands import deploy
from leash_robot.launch.commands.eval import command as eval_command
from leash_robot.launch.commands.eval.held_out import HeldOut, measure
from leash_robot.launch.commands.eval.options import HeldOutOptions
from leash_robot.launch.composition.command_bounds import stated, within
from leash_robot.policies.policy_file import read_manifest, save_policy
from leash_robot.policies.shipped import WALK
from leash_robot.robot.errors import UsageError
from leash_robot.sim.evaluation.samples import CommandRanges
from leash_robot.sim.randomization.sampling import FIXED


@pytest.mark.parametrize("main", [deploy.main, eval_command.main])
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("9", "0", "0"), "1.5"),
        (("0", "-2", "0"), "-0.8"),
        (("0", "0", "7"), "5"),
        (("0.5", "0", "0"), "this policy follows; give -0.4 to 0.4 m/s"),
        (("0", "0", "-1.5"), "this policy follows; give -1 to 1 rad/s"),
    ],
)
def test_what_is_beyond_robot_or_trot_is_refused(main: object, command: tuple[str, ...], told: str) -> None:
    assert callable(main)
    with pytest.raises(UsageError, match=told) as caught:
        main(["trot", "--robot", "sim", "--seconds", "2", "--command", *command])
    assert "--command" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("option", [("--vx", "0", "9"), ("--vy", "-3", "0"), ("--yaw", "0", "8")])
def test_a_grid_asks_for_nothing_that_no_robot_does(option: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=option[0].removeprefix("--")):
        eval_command.main(["trot", "--grid", "inside", *option])


def test_a_policy_file_states_what_it_learned_to_follow(tmp_path: Path) -> None:
    file = tmp_path / "narrow.safetensors"
    learned = ((0.2, 0.4), (0.0, 0.0), (-0.5, 0.5))
    save_policy(file, msgspec.structs.replace(read_manifest(WALK), commands=learned), load_file(WALK))
    within((0.1, 0.0, 0.5), stated(str(file)))
    with pytest.raises(UsageError, match=r"vx 0.5 is beyond .* 0 to 0.4 m/s"):
        within((0.5, 0.0, 0.0), stated(str(file)))
    job = HeldOut(str(file), FIXED, CommandRanges(), 0, 2.0, command=(0.3, 0.1, 0.0))
    with pytest.raises(UsageError, match="vy 0.1"):
        measure(job, ("sim",), HeldOutOptions(grid="inside", draws=1, out=tmp_path))


def test_a_policy_that_states_nothing_is_bounded_by_the_robot_alone() -> None:
    for name in ("stand", str(WALK)):
        within((1.4, 0.7, 4.0), stated(name))
    within((0.4, -0.15, 1.0), stated("trot"))
