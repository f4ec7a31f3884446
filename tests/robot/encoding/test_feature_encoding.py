"""Features: the same online and on recordings, and honest about what is missing."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leash_robot.robot.encoding.feature_encoding import CommandClock, FeatureConfig, FeatureEncoder, layout, of_episode
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Array, Observation, Tick, unknown
from support.paths import ROOT
from support.walks import BLIND, demonstration, recorded

SEEN = ("gravity", "gyro", "joint_pos", "joint_vel", "actions", "command")
configs = st.builds(
    lambda seen, clock, frames: FeatureConfig(**{name: name in seen for name in SEEN}, clock=clock, frames=frames),
    st.sets(st.sampled_from(SEEN), min_size=1),
    st.sampled_from([0.0, 0.4, 1.3]),
    st.integers(1, 5),
)
N = len(BLIND.joints)


def standing(time: float = 1.0, command: Array | None = None) -> Observation:
    still = np.zeros(N)
    level = np.array([0.0, 0.0, -1.0])
    return Observation(
        time, 0.0, BLIND.stand, still, still, level, np.zeros(3), unknown(3) if command is None else command
    )


@pytest.fixture(scope="module")
def ticks() -> list[Tick]:
    """A walk whose measurements are noisy, whose clock jitters, and whose command stops and starts."""
    rng = np.random.default_rng(3)
    made = []
    for tick in demonstration(seed=1, count=70):
        obs = tick.obs
        noisy = replace(
            obs,
            time=obs.time + rng.uniform(0, 0.01),
            age=float(rng.uniform(0, 0.01)),
            joint_pos=obs.joint_pos + rng.normal(0, 0.1, N),
            joint_vel=rng.normal(size=N),
            gravity=rng.normal(size=3),
            gyro=rng.normal(size=3),
        )
        stops = tick.wanted if rng.random() < 0.8 else replace(tick.wanted, command=unknown(3))
        made.append(Tick(noisy, stops, tick.sent))
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs)
def test_features_online_equal_those_of_the_recording(
    config: FeatureConfig, ticks: list[Tick], tmp_path_factory: pytest.TempPathFactory
) -> None:
    episode = recorded(tmp_path_factory.mktemp("walk"), ticks)
    features = FeatureEncoder(config, BLIND.stand)
    features.reset()
    online = []
    for tick in ticks:
        online.append(features.step(replace(tick.obs, command=tick.wanted.command)))
        features.sent(tick.sent.joint_pos)
    np.testing.assert_allclose(np.array(online), of_episode(config, BLIND.stand, episode), rtol=1e-6, atol=1e-6)
    assert online[0].shape == (features.size,) == (config.width(N),)
    assert len(layout(config, N)[0]) == len(layout(config, N)[1]) == features.size


def test_somebody_who_sees_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is seen"):
        FeatureConfig(**dict.fromkeys(SEEN, False), clock=0.0)


def test_before_the_first_tick_the_past_is_the_first_tick() -> None:
    features = FeatureEncoder(FeatureConfig(gravity=False, gyro=False, command=False, clock=0.0, frames=3), BLIND.stand)
    first = features.step(replace(standing(), joint_pos=BLIND.stand + 0.1))
    np.testing.assert_allclose(first, 0.1, rtol=1e-5)


def test_a_reset_forgets_the_past() -> None:
    features = FeatureEncoder(FeatureConfig(actions=True), BLIND.stand)
    once = features.step(standing(1.0, np.array([0.2, 0.0, 0.0])))
    features.sent(BLIND.stand + 0.3)
    features.step(replace(standing(1.1, np.array([0.2, 0.0, 0.0])), joint_pos=BLIND.stand - 0.2))
    features.reset()
    np.testing.assert_array_equal(features.step(standing(9.0, np.array([0.2, 0.0, 0.0]))), once)


def test_the_clock_starts_when_the_command_leaves_zero() -> None:
    clock = CommandClock()
    assert np.isnan(clock.since(1.0, np.zeros(3)))
    assert clock.since(2.0, np.array([0.1, 0.0, 0.0])) == 0.0
    assert clock.since(2.5, np.array([0.0, 0.0, 0.2])) == 0.5
    assert np.isnan(clock.since(3.0, np.array([0.001, 0.0, 0.0])))
    assert clock.since(4.0, np.array([0.1, 0.0, 0.0])) == 0.0


def test_the_clock_has_the_period_that_was_asked_for() -> None:
    config = FeatureConfig(gravity=False, gyro=False, joint_pos=False, command=False, clock=0.8, frames=1)
    features = FeatureEncoder(config, BLIND.stand)
    ahead = np.array([0.2, 0.0, 0.0])
    assert features.step(standing(0.0)).tolist() == [0, 0, 0, 0]
    assert features.step(standing(1.0, ahead)).tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(features.step(standing(1.2, ahead))[:3], [1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(features.step(standing(1.8, ahead)), [0, 1, 1, 0], atol=1e-6)


def test_no_command_is_the_wish_to_stand() -> None:
    config = FeatureConfig(gravity=False, gyro=False, joint_pos=False, clock=0.0, frames=1)
    assert FeatureEncoder(config, BLIND.stand).step(standing()).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["gravity", "gyro", "joint_pos", "joint_vel"])
def test_what_is_needed_and_was_not_measured_is_named(name: str) -> None:
    blind = {
        "gravity": replace(standing(), gravity=unknown(3)),
        "gyro": replace(standing(), gyro=unknown(3)),
        "joint_pos": replace(standing(), joint_pos=unknown(N)),
        "joint_vel": replace(standing(), joint_vel=unknown(N)),
    }[name]
    with pytest.raises(PolicyError, match=f"not measured: {name};"):
        FeatureEncoder(FeatureConfig(joint_vel=True), BLIND.stand).step(blind)


def test_what_is_not_needed_may_be_missing() -> None:
    config = FeatureConfig(gravity=False, gyro=False)
    assert not config.needs_imu
    seen = replace(standing(), gravity=unknown(3), gyro=unknown(3), joint_vel=unknown(N))
    assert np.isfinite(FeatureEncoder(config, BLIND.stand).step(seen)).all()


def test_gravity_or_gyro_alone_need_an_imu() -> None:
    assert FeatureConfig(gyro=False).needs_imu
    assert FeatureConfig(gravity=False).needs_imu


def test_the_layout_names_every_entry() -> None:
    names, factors = layout(FeatureConfig(actions=True, frames=2, clock=0.4), 2)
    frame = ["gravity"] * 3 + ["gyro"] * 3 + ["joint_pos"] * 2 + ["actions"] * 2
    assert names == [*frame, *frame, *["command"] * 3, *["clock"] * 4]
    assert factors[3] == 0.25 and factors[0] == 1.0


def test_features_load_no_torch() -> None:
    code = "import sys; from leash_robot.policies import manifest, policy_file; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
