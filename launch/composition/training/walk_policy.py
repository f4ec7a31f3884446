"""From what a training learned to the file of a policy that walks; known without torch and without a simulator."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from leash_robot.launch.composition.training.schema import WalkTraining
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.sac.config import Sizes
from leash_robot.policies.rl.sac.export import policy_of
from leash_robot.policies.rl.sac.factory import SacFactory
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.symmetry import JOINTS, Mirror, of_features
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec


def action_filter_of(config: WalkTraining, spec: Spec) -> ActionFilter:
    """The filter on joint targets that a training learns with."""
    scale = np.tile(config.walk.box, len(spec.joints) // 3)
    return ActionFilter.with_cutoff(scale, config.walk.filter_hz, spec.rate)


def save_walk_policy(
    path: Path, weights: Weights, config: WalkTraining, spec: Spec, notes: Mapping[str, float], **given: object
) -> None:
    """Write the policy file; `given` are further entries of its manifest. Raises PolicyError where there is no room."""
    scale = tuple(action_filter_of(config, spec).scale.tolist())
    manifest, layers = policy_of(weights, config.sac, config.features, spec, scale, config.residual)
    training = {"seed": config.seed, **{name: value for name, value in notes.items() if math.isfinite(value)}}
    manifest = replace(manifest, filter_hz=config.walk.filter_hz, training=training, **given)
    try:
        save_policy(path, manifest, layers)
    except OSError as error:
        raise PolicyError(f"cannot write {path}: {error.strerror}; make room and --resume") from None


def sac_factory(config: WalkTraining, spec: Spec, privileged: Mirror) -> SacFactory:
    """SAC on a robot's features; `privileged` says how what only critics see looks to a mirrored robot."""
    n = len(spec.joints)
    sizes = Sizes(config.features.width(n), len(privileged.order), n)
    mirrors = {"obs": of_features(config.features), "privileged": privileged, "action": JOINTS}
    scale, share = scale_of(config.features, n), config.demonstrations.share
    return SacFactory(config.sac, sizes, scale, mirrors, share, config.seed, config.compiled)
