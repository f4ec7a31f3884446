"""Policy files with random weights."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from leash_robot.policies.manifest import Manifest, NetworkConfig, describe
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.policy_file import save_policy
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.spec import load_spec

SPEC = load_spec()


N = len(SPEC.joints)


NETWORK = NetworkConfig(members=2, hidden=(4,), horizon=2)


def random(sizes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.3, size).astype(np.float32) for name, size in sizes.items()}


def walker(path: Path, features: FeatureConfig | None = None, **changes: object) -> str:
    """The file of a policy for joints, untrained."""
    features = features or FeatureConfig()
    made: Manifest = msgspec.structs.replace(
        describe("bc", SPEC, needs_imu=features.needs_imu), features=features, network=NETWORK, box=(0.4,) * N
    )
    sizes = shapes(NETWORK, features.width(N), NETWORK.horizon * N)
    save_policy(path, msgspec.structs.replace(made, **changes), random(sizes))
    return str(path)
