"""Episodes of a held-out evaluation, rolled out on both engines."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from leash_robot.launch.commands.eval.held_out import LocalPolicy
from leash_robot.launch.options.tables import table
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.shipped import WALK
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Tick, unknown
from leash_robot.sim.evaluation.engines import open_sample
from leash_robot.sim.evaluation.figures import figures
from leash_robot.sim.evaluation.result import Engine
from leash_robot.sim.evaluation.rollout import HeldOutTask, RandomPushes, roll_out_samples, weight
from leash_robot.sim.evaluation.samples import CommandRanges, RandomizationSample, draw_sample
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics
from leash_robot.sim.randomization.sampling import FIXED

SPEC = load_spec()
INSIDE = table("inside")
NOMINAL_TASK = HeldOutTask(
    LocalPolicy("trot"), SPEC, FIXED, CommandRanges(), seed=0, seconds=4.0, command=(0.25, 0.0, 0.0)
)


@pytest.mark.parametrize("engine", ["twin", "sim"])
def test_the_trot_follows_a_command_on_the_nominal_machine(engine: Engine) -> None:
    (walked,) = roll_out_samples(NOMINAL_TASK, engine, [0])
    assert walked.no_fall and walked.success and walked.seconds == 4.0 and not walked.why
    assert walked.reached[0] == pytest.approx(0.25, abs=0.06)
    assert walked.speed_error <= walked.speed_rmse < 0.1
    assert 0.3 < walked.work / walked.weight / walked.metres < 6.0 if walked.work else False
    assert 0.1 < walked.action_rate < 1.0
    assert walked.own_action_rate is None


def test_the_change_of_the_targets_is_told_in_shares_of_the_policys_own_box_too() -> None:
    (walked,) = roll_out_samples(replace(NOMINAL_TASK, policy=LocalPolicy(str(WALK)), seconds=2.0), "twin", [0])
    usual, own = np.array([0.2, 0.4, 0.4]), np.array(read_manifest(WALK).box[:3])
    widest, narrowest = (usual / own).max(), (usual / own).min()
    assert walked.own_action_rate is not None
    assert narrowest < walked.own_action_rate / walked.action_rate < widest
    found = figures([walked, walked])
    assert found["action_rate_own_box"] == walked.own_action_rate


def test_in_lockstep_a_draw_always_goes_the_same_way() -> None:
    task = replace(NOMINAL_TASK, ranges=INSIDE, seconds=2.0)
    first, again = (roll_out_samples(task, "twin", [3]) for _ in range(2))
    assert first == again
    assert first != roll_out_samples(task, "twin", [4])


def test_a_robot_that_is_thrown_over_has_fallen_and_its_time_is_short() -> None:
    ranges = msgspec.structs.replace(FIXED, push_speed=(6.0, 6.0), push_interval=0.2)
    for engine in ("twin", "sim"):
        (walked,) = roll_out_samples(replace(NOMINAL_TASK, ranges=ranges), engine, [0])
        assert not walked.no_fall and not walked.success and walked.seconds < 4.0


def test_a_robot_that_cannot_stand_up_is_a_failure_not_an_error() -> None:
    ranges = msgspec.structs.replace(FIXED, motor_strength=(0.02, 0.02))
    (walked,) = roll_out_samples(replace(NOMINAL_TASK, ranges=ranges), "twin", [0])
    assert not walked.no_fall and not walked.success


def test_pushes_come_at_the_same_ticks_everywhere_and_not_in_the_first_second() -> None:
    drawn = draw_sample(FIXED, CommandRanges(), 0, 0)._replace(push_speed=0.5, push_interval=1.0)
    tick = Tick(Observation(0, 0, *(unknown(12),) * 3, *(unknown(3),) * 3), Action(unknown(12)), Action(unknown(12)))

    def pushes(drawn: RandomizationSample) -> dict[int, Array]:
        felt: list[Array] = []
        shover = RandomPushes(felt.append, drawn, SPEC.period)
        found: dict[int, Array] = {}
        for now in range(400):
            shover.add(tick)
            if felt:
                found[now] = felt.pop()
        return found

    felt, again = pushes(drawn), pushes(drawn)
    assert 8 <= len(felt) <= 32 and min(felt) >= 20
    assert all(np.array_equal(felt[at], again[at]) for at in felt)
    assert all(np.linalg.norm(push) == pytest.approx(0.5) and push[2] == 0.0 for push in felt.values())
    assert not pushes(drawn._replace(push_speed=0.0))


def test_weight_counts_the_load() -> None:
    assert weight(NOMINAL) == pytest.approx(9.81 * 2.135)
    assert weight(Dynamics(mass=0.5, payload=0.2)) == pytest.approx(9.81 * (0.5 * 2.135 + 0.2))


def test_the_opened_robot_is_the_machine_of_the_sample() -> None:
    drawn = draw_sample(INSIDE, CommandRanges(), 0, 0)
    with open_sample("sim", drawn, SPEC, needs_imu=True) as robot:
        assert robot.work() == 0.0 and robot.simulator.truth().height > 0.1
