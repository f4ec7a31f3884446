"""The environment keeps Gymnasium's contract, ends episodes for the right reason, and rewards a good walk."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from msgspec.structs import replace

from leash_robot.robot.encoding.feature_encoding import Encoder, Float32
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array, Observation
from leash_robot.sim.envs import privileged
from leash_robot.sim.envs import rewards as reward
from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import Pushes, WalkConfig
from leash_robot.sim.randomization.sampling import FIXED, Ranges

SPEC = load_spec()
Make = Callable[..., PupperEnv]
STILL = np.zeros(12, np.float32)
SHORT = WalkConfig(seconds=0.5)
EVERYTHING = WalkConfig(seconds=2.0, ranges=Ranges(), pushes=Pushes(interval=0.5))


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes environments and closes them in the end."""
    with contextlib.ExitStack() as stack:

        def build(config: WalkConfig | None = None, encoder: Encoder | None = None, ramp: int = 0) -> PupperEnv:
            return stack.enter_context(contextlib.closing(PupperEnv(config, encoder=encoder, ramp=ramp)))

        yield build


def test_gymnasiums_checker_is_content() -> None:
    env = gymnasium.make("leash/PupperWalk-v0", config=EVERYTHING, render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_the_registered_name_makes_the_environment() -> None:
    env = gymnasium.make("leash_robot.sim.envs.walk:leash/PupperWalk-v0")
    assert isinstance(env.unwrapped, PupperEnv)
    observation, info = env.reset(seed=1)
    assert observation.shape == (93,) and info["privileged"].shape == (privileged.SIZE,)
    env.close()


@pytest.mark.parametrize("first", ["leash_robot, gymnasium", "gymnasium, leash_robot"])
def test_importing_the_package_is_enough_for_gymnasium(first: str) -> None:
    code = f"import sys, {first}; assert 'pybullet' not in sys.modules; "
    code += "env = gymnasium.make('leash/PupperWalk-v0'); print(env.spec.id)"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip().endswith("leash/PupperWalk-v0"), ran.stderr


def test_importing_the_package_imports_no_gymnasium() -> None:
    code = "import sys, leash_robot; print([n for n in ('gymnasium', 'numpy', 'pybullet') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_config_survives_the_spec_as_json() -> None:
    env = gymnasium.make("leash/PupperWalk-v0", config=EVERYTHING)
    assert env.spec is not None
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(env.unwrapped, PupperEnv) and isinstance(again.unwrapped, PupperEnv)
    assert again.unwrapped.config == env.unwrapped.config == EVERYTHING
    first, second = env.reset(seed=3)[0], again.reset(seed=3)[0]
    assert np.array_equal(first, second)
    env.close()
    again.close()


def test_time_running_out_truncates_and_does_not_terminate(make: Make) -> None:
    env = make(SHORT)
    env.reset(seed=0)
    ends = [env.step(STILL)[2:4] for _ in range(10)]
    assert ends == [(False, False)] * 9 + [(False, True)]


def test_falling_terminates_and_costs(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    env.robot.world.kick(np.array([0.0, 4.0, 2.0]))
    for _ in range(40):
        _, _, terminated, truncated, info = env.step(STILL)
        if terminated:
            break
    assert terminated and not truncated
    assert env.truth.fallen and info["terms"]["fall"] == env.config.weights.fall


def test_actions_move_the_target_within_the_box_through_the_filter(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    env.step(np.ones(12, np.float32) * 5)
    first = env.sent - SPEC.stand
    env.step(np.ones(12, np.float32))
    second = env.sent - SPEC.stand
    box = np.tile([0.2, 0.4, 0.4], 4)
    assert first == pytest.approx(env.action_filter.alpha * box)
    assert (first < second).all() and (second < box).all()


def test_an_action_that_is_no_number_is_refused(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(PolicyError, match="not finite"):
        env.step(np.full(12, np.nan, np.float32))


def test_commands_stay_in_their_ranges_and_are_drawn_anew(make: Make) -> None:
    ranges = Commands(vx=(0.1, 0.2), vy=(0.0, 0.0), yaw=(-0.5, 0.5), stand=0.0, hold=0.1)
    env = make(WalkConfig(commands=ranges))
    env.reset(seed=0)
    seen = np.array([env.step(STILL)[4]["command"] for _ in range(20)])
    assert ((seen[:, 0] >= 0.1) & (seen[:, 0] <= 0.2)).all() and (seen[:, 1] == 0).all()
    assert (np.abs(seen[:, 2]) <= 0.5).all()
    assert 9 <= len(np.unique(seen[:, 0])) <= 11


def test_some_commands_ask_to_stand_still(make: Make) -> None:
    env = make(WalkConfig(commands=Commands(stand=1.0)))
    assert env.reset(seed=0)[1]["command"].tolist() == [0, 0, 0]


def test_the_critic_sees_slope_bumps_pushes_and_odd_torques(make: Make) -> None:
    def seen(**given: float | tuple[float, float]) -> set[int]:
        drawn = make(WalkConfig(ranges=replace(FIXED, **given))).reset(seed=3)[1]["privileged"]
        return set(np.flatnonzero(drawn[27:] != calm[27:]).tolist())

    calm = make(WalkConfig(ranges=FIXED)).reset(seed=3)[1]["privileged"]
    assert seen(slope_deg=(4.0, 4.0)) == {0}
    assert seen(bumps=(0.01, 0.01)) == {1}
    assert seen(push_speed=(0.5, 0.5)) == {2}
    torques = [seen(torque_noise=0.2, torque_offset=0.2)]
    assert torques in ([{3}], [set(range(4, 16))])


def test_a_command_can_be_fixed(make: Make) -> None:
    env = make(WalkConfig(commands=Commands(hold=0.05)))
    env.reset(seed=0, options={"command": (0.3, 0.0, -0.2)})
    assert all(env.step(STILL)[4]["command"].tolist() == [0.3, 0.0, -0.2] for _ in range(5))


def test_every_reset_draws_another_machine(make: Make) -> None:
    env = make(EVERYTHING)
    drawn = [env.reset(seed=7 if index == 0 else None)[1]["privileged"][14:] for index in range(3)]
    again = env.reset(seed=7)[1]["privileged"][14:]
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])
    assert np.array_equal(drawn[0], again)


def test_pushes_push(make: Make) -> None:
    calm, pushed = make(), make(WalkConfig(pushes=Pushes(interval=0.05, speed=0.5)))
    for env in (calm, pushed):
        env.reset(seed=0)
        for _ in range(5):
            env.step(STILL)
    assert np.abs(calm.truth.velocity).max() < 0.1 < np.abs(pushed.truth.velocity).max()


def test_the_critic_sees_what_the_actor_may_not(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    *_, info = env.step(STILL)
    assert info["privileged"][3:6] == pytest.approx(env.truth.velocity * 2.0, abs=1e-6)
    assert np.isnan(env.seen.joint_effort).all(), "the stock firmware does not send it"


def test_another_encoder_can_be_used(make: Make) -> None:
    class Tilt:
        size = 3

        def __init__(self) -> None:
            self.targets: list[Array] = []

        def reset(self) -> None: ...

        def sent(self, target: Array) -> None:
            self.targets.append(target)

        def step(self, obs: Observation) -> Float32:
            return obs.gravity.astype(np.float32)

    tilt = Tilt()
    env = make(encoder=tilt)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.shape == observation.shape == (3,)
    env.step(STILL)
    assert len(tilt.targets) == 1


def test_penalties_of_the_simulator_are_zero_for_a_perfect_stand() -> None:
    assert reward.bounce([0.0] * 3) == reward.effort([0.0] * 12) == 0


def test_softened_penalties_leave_what_is_worth_walking_for(make: Make) -> None:
    walks = {part: make(WalkConfig(seconds=1.0), ramp=100) for part in (1.0, 0.25, 0.0)}
    for part, env in walks.items():
        env.training_progress(round(100 * part))
        env.reset(seed=3)
    action = np.random.default_rng(0).uniform(-1, 1, 12).astype(np.float32)
    terms = {part: env.step(action)[4]["terms"] for part, env in walks.items()}
    for name, whole in terms[1.0].items():
        part = 0.25 if name in reward.PENALTIES else 1.0
        assert terms[0.25][name] == pytest.approx(part * whole), name
    assert terms[1.0]["change"] < 0 == terms[0.0]["change"]


def test_a_step_counts_when_the_foot_lands_and_only_up_to_its_longest() -> None:
    assert reward.stepping([0.1, 0.4, 0.2, 0.0], [1.0, 1.0, 0.0, 0.0], 0.25) == pytest.approx(0.35)


def test_chattering_costs_where_steps_have_a_shortest() -> None:
    landed = [1.0, 1.0, 0.0, 0.0]
    assert reward.stepping([0.05, 0.05, 0.0, 0.0], landed, 0.25, 0.1) == pytest.approx(-0.1)
    assert reward.stepping([0.1, 0.4, 0.0, 0.0], landed, 0.25, 0.1) == pytest.approx(0.15)
    assert reward.stepping([0.05, 0.05, 0.05, 0.05], [0.0] * 4, 0.25, 0.1) == 0.0


def test_standing_still_on_command_is_worth_more_than_when_asked_to_walk(make: Make) -> None:
    returns = []
    for command in ((0.0, 0.0, 0.0), (0.4, 0.0, 0.0)):
        env = make()
        env.reset(seed=0, options={"command": command})
        returns.append(sum(env.step(STILL)[1] for _ in range(20)))
    assert returns[0] > returns[1] + 10


def test_a_gaits_own_sway_is_no_error(make: Make) -> None:
    """The velocity that counts is an average, which the critic sees: it lags a jump and forgets it."""
    env = make()
    env.reset(seed=0)
    env.robot.world.kick(np.array([0.6, 0.0, 0.0]))
    seen = [env.step(STILL)[4]["privileged"] for _ in range(20)]
    pace, true = np.array([row[0] / 2 for row in seen]), np.array([row[3] / 2 for row in seen])
    keep = np.exp(-env.body.period / reward.PACE)
    wanted = 0.0
    for now, then in zip(pace, true, strict=True):
        wanted = keep * wanted + (1 - keep) * then
        assert now == pytest.approx(wanted, abs=1e-5)
    assert abs(pace[0]) < abs(true[0])
