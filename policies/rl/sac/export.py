"""Turns an actor into a policy file as behaviour cloning writes it: tanh of the mean, times the action scale."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from leash_robot.policies.manifest import Manifest, NetworkConfig, describe
from leash_robot.policies.rl.sac.config import SacConfig
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.spec import Spec

Float32 = NDArray[np.float32]


def policy_of(
    actor: Mapping[str, Float32],
    config: SacConfig,
    features: FeatureConfig,
    spec: Spec,
    box: tuple[float, ...],
    residual: Literal["", "trot"] = "",
) -> tuple[Manifest, dict[str, Float32]]:
    """Manifest and weights of an actor (named as in `state.actor_shapes`), whose actions have this scale `box` [rad].

    The scale of the features is folded into the first layer.
    """
    last, n = len(config.actor_hidden), len(spec.joints)
    weights = {name: array.copy() for name, array in actor.items()}
    for name in (f"weight_{last}", f"bias_{last}"):
        weights[name] = np.ascontiguousarray(weights[name][..., :n])
    weights["weight_0"] = weights["weight_0"] * scale_of(features, n)[None, :, None]
    manifest = replace(
        describe("sac", spec, needs_imu=features.needs_imu),
        features=features,
        network=NetworkConfig(1, config.actor_hidden, 1, squash=True),
        box=box,
        residual=residual,
        body=spec if residual else None,
    )
    return manifest, weights
