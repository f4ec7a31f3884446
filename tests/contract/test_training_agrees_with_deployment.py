"""The same bytes in training and in deployment: what a network sees, and which joint target its action becomes."""

import contextlib
from typing import cast

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from leash_robot.policies.cloned_policy import ClonedPolicy
from leash_robot.policies.manifest import Manifest, NetworkConfig, describe
from leash_robot.policies.networks.mlp import Ensemble
from leash_robot.policies.scripted.steps import Steps
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, FeatureEncoder, Float32
from leash_robot.robot.spec import load_spec
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.randomization.sampling import Ranges

SPEC = load_spec()
SEEN = ("gravity", "gyro", "joint_pos", "joint_vel", "actions", "command")
CONFIGS = st.builds(
    lambda seen, clock, frames: FeatureConfig(**{name: name in seen for name in SEEN}, clock=clock, frames=frames),
    st.sets(st.sampled_from(SEEN), min_size=1),
    st.sampled_from([0.0, 0.4]),
    st.integers(1, 4),
)


class Scripted:
    """In the place of a network: notes what it sees, and answers with the next of the given actions."""

    def __init__(self, actions: Float32) -> None:
        self._actions = iter(actions)
        self.seen: list[Float32] = []

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        self.seen.append(rows[0].numpy().copy())
        return torch.from_numpy(next(self._actions)[None, None])


def manifest(features: FeatureConfig, walk: WalkConfig) -> Manifest:
    made = describe("sac", SPEC, needs_imu=features.needs_imu)
    network = NetworkConfig(1, (8,), 1)
    box = tuple(np.tile(walk.box, 4).tolist())
    return replace(made, features=features, network=network, box=box, filter_hz=walk.filter_hz)


@settings(max_examples=15, deadline=None)
@given(CONFIGS, st.sampled_from([0.0, 2.5, 4.0]), st.integers(0, 2**31 - 1))
def test_the_environment_and_the_deployed_policy_agree_to_the_last_byte(
    features: FeatureConfig, filter_hz: float, seed: int
) -> None:
    walk = WalkConfig(filter_hz=filter_hz, box=(0.1, 0.1, 0.1), ranges=Ranges())
    actions = np.random.default_rng(seed).uniform(-1, 1, (6, 12)).astype(np.float32)
    network = Scripted(actions)
    deployed = ClonedPolicy(manifest(features, walk), cast(Ensemble, network))
    with contextlib.closing(PupperEnv(walk, encoder=FeatureEncoder(features, SPEC.stand))) as env:
        seen, _ = env.reset(seed=seed)
        for number, action in enumerate(actions):
            target = deployed.act(env.seen).joint_pos
            assert network.seen[number].tobytes() == seen.tobytes()
            seen = env.step(action)[0]
            assert target.tobytes() == env.sent.tobytes()


@settings(max_examples=30, deadline=None)
@given(st.just(0.0) | st.floats(0.1, 9), st.floats(0.05, 1), st.integers(0, 2**31 - 1))
def test_the_environment_and_the_deployed_policy_share_one_filter(filter_hz: float, box: float, seed: int) -> None:
    walk = WalkConfig(filter_hz=filter_hz, box=(box, box, box))
    training = ActionFilter.with_cutoff(np.tile(walk.box, 4), walk.filter_hz, SPEC.rate)
    deployed = ClonedPolicy(manifest(FeatureConfig(), walk), cast(Ensemble, None))._filter
    rng = np.random.default_rng(seed)
    offset, last = rng.normal(size=12), rng.normal(size=12)
    assert training.smooth(offset, last).tobytes() == deployed.smooth(offset, last).tobytes()
    assert training.action(offset, last).tobytes() == deployed.action(offset, last).tobytes()


def test_the_clock_runs_by_default_at_the_trots_period() -> None:
    assert FeatureConfig().clock == Steps().period
