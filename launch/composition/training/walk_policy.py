"""From what a training learned to the file of a policy that walks; known without torch and without a simulator."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from leash_robot.launch.composition.training.schema import WalkTraining
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.sac.export import policy_of
from leash_robot.robot.action_filter import ActionFilter
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
