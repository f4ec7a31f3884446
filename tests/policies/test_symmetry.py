"""Mirroring: a mirrored robot that does the mirrored thing sees and is what the mirror says. And front for back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace

from leash_robot.launch.composition.training.schema import WalkTraining
from leash_robot.launch.composition.training.walk_task import WalkTask
from leash_robot.policies import reflection
from leash_robot.policies.reflection import OTHER_END, Reflected, of_joints
from leash_robot.policies.symmetry import JOINTS, of_features
from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, Float32
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.envs import privileged
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import Ranges

SPEC = load_spec()
assert SPEC.legs is not None
LEGS = SPEC.legs
ONE = (1.0, 1.0)
ALIKE = Ranges(
    mass=ONE,
    inertia=ONE,
    payload=(0.0, 0.0),
    com=0.0,
    friction=(0.8, 0.8),
    motor_strength=ONE,
    kp=ONE,
    kd=ONE,
    joint_friction=(0.0, 0.0),
    joint_damping=(0.0, 0.0),
    rotor_inertia=ONE,
    action_latency_ms=(5.0, 5.0),
    telemetry_latency_ms=(5.0, 5.0),
    joint_zero_deg=0.0,
    gravity_bias=0.0,
    gyro_bias=0.0,
    noise=(0.0, 0.0),
)
"""The nominal machine without noise."""
PLAN = WalkTraining(walk=WalkConfig(ranges=ALIKE), features=FeatureConfig(actions=True, frames=2, clock=0.0))
TASK = WalkTask(PLAN, SPEC)


def test_a_mirrored_robot_sees_the_mirror_image() -> None:
    """Two worlds, one driven by mirrored actions under a mirrored command; the solver's own order costs some digits."""
    envs = [TASK.make_env() for _ in range(2)]
    mirror, rng = TASK.factory.mirrors, np.random.default_rng(0)
    command = np.array([0.2, 0.1, 0.5])
    for env, asked in zip(envs, (command, command * [1, -1, -1]), strict=True):
        env.reset(seed=1, options={"command": asked})
    for _ in range(8):
        action = rng.uniform(-0.5, 0.5, 12).astype(np.float32)
        (obs, *_, info), (turned, *_, mirrored) = (
            envs[0].step(action),
            envs[1].step(mirror["action"](action)),
        )
    np.testing.assert_allclose(turned, mirror["obs"](obs), atol=0.02)
    np.testing.assert_allclose(mirrored["privileged"], mirror["privileged"](info["privileged"]), atol=0.1)
    assert np.abs(obs - mirror["obs"](obs)).max() > 0.1, "the test would pass for any mirror if nothing were lopsided"
    for env in envs:
        env.close()


def test_a_mirrored_machine_is_the_mirror_image() -> None:
    """A torque on the left knee is one on the right knee of the other; abductions turn the other way."""
    torques = np.arange(1.0, 13.0)
    drawn = Dynamics(com_shift=(0.01, 0.02, 0.0), slope_deg=3.0, bumps=0.01, torque_offset=tuple(torques.tolist()))
    turned = tuple(JOINTS(torques.astype(np.float32)).tolist())
    mirrored = replace(drawn, com_shift=(0.01, -0.02, 0.0), torque_offset=turned)
    still = np.zeros(14, np.float32)
    one, other = (np.concatenate([still, privileged.machine(machine, 0.5)]) for machine in (drawn, mirrored))
    np.testing.assert_allclose(TASK.factory.mirrors["privileged"](one), other, atol=1e-6)
    assert not np.allclose(one, other)


@given(st.integers(1, 5), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.4]))
def test_twice_mirrored_is_as_before(frames: int, gyro: bool, velocity: bool, actions: bool, clock: float) -> None:
    config = FeatureConfig(gyro=gyro, joint_vel=velocity, actions=actions, clock=clock, frames=frames)
    rows = np.random.default_rng(0).normal(size=(3, config.width(12))).astype(np.float32)
    mirror = of_features(config)
    np.testing.assert_array_equal(mirror(mirror(rows)), rows)


@pytest.mark.parametrize("part", ["obs", "privileged", "action"])
def test_every_column_of_the_replay_has_a_mirror_of_its_width(part: str) -> None:
    widths = {"obs": PLAN.features.width(12), "privileged": privileged.SIZE, "action": 12}
    assert sorted(TASK.factory.mirrors[part].order) == list(range(widths[part]))


@given(arrays(np.float64, 12, elements=st.floats(-0.1, 0.1)))
def test_reflected_feet_go_the_other_way(offset: Array) -> None:
    """To first order: what is left grows with the square of the offset."""
    feet = forward(SPEC.stand + offset, LEGS) - forward(SPEC.stand, LEGS)
    turned = forward(SPEC.stand + of_joints(SPEC) @ offset, LEGS) - forward(SPEC.stand, LEGS)
    expected = feet[list(OTHER_END)] * [-1, 1, 1]
    assert np.abs(turned - expected).max() <= 1.5 * np.abs(offset).max() ** 2 + 1e-12


@given(st.integers(1, 5), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.4]))
def test_twice_reflected_is_as_before(frames: int, gyro: bool, velocity: bool, actions: bool, clock: float) -> None:
    config = FeatureConfig(gyro=gyro, joint_vel=velocity, actions=actions, clock=clock, frames=frames)
    reflect = reflection.of_features(config, SPEC)
    np.testing.assert_allclose(reflect @ reflect, np.eye(config.width(12)), atol=1e-12)
    command = of_features(config).order[-7:-4] if clock else of_features(config).order[-3:]
    np.testing.assert_array_equal(np.diag(reflect)[command], [-1, 1, -1])


class Ahead:
    """Remembers what it saw, and swings the front right leg."""

    def __init__(self) -> None:
        self.seen: list[Float32] = []

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        self.seen.append(obs)
        return np.array([0.1, 0.5, 0.0] + [0.0] * 9, np.float32)


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_a_part_of_the_time_it_acts_as_if_front_and_back_were_exchanged(part: float) -> None:
    box, rng, inner = np.tile([0.25, 0.5, 1.0], 4), np.random.default_rng(0), Ahead()
    actor = Reflected(inner, part, PLAN.features, SPEC, box)
    obs = np.zeros(PLAN.features.width(12), np.float32)
    obs[-3] = 0.4  # ahead, without a clock
    turned = 0
    for _ in range(4000):
        action = actor.sample(obs, rng)
        back = inner.seen[-1][-3] < 0
        np.testing.assert_allclose(action[:3], [0, 0, 0] if back else [0.1, 0.5, 0])
        if back:  # the back right leg's foot goes the other way, and its knee makes up for the height
            assert action[6] == pytest.approx(0.1) and action[7] < -0.5 and action[8] > 0.1
        turned += back
    assert turned / 4000 == pytest.approx(part, abs=0.1)


def test_a_body_without_legs_has_no_front_and_back() -> None:
    with pytest.raises(PolicyError, match="no `legs`"):
        of_joints(replace(SPEC, legs=None))
