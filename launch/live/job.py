"""What a robot's loop and its learner tell each other; known without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from leash_robot.launch.commands.train.demos import Recorded
from leash_robot.launch.live.driver import PRIVILEGED
from leash_robot.launch.live.plan import LivePlan
from leash_robot.policies.rl.checkpoint import CheckpointInfo
from leash_robot.policies.rl.replay_buffer import Layout, Place, layout
from leash_robot.policies.rl.sac.config import Sizes
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import NumpyActor
from leash_robot.policies.rl.weight_channel import Address
from leash_robot.policies.symmetry import JOINTS, Mirror, of_features
from leash_robot.robot.spec import Spec


@dataclass(frozen=True)
class Job:
    """What the learner needs to know."""

    plan: LivePlan
    spec: Spec
    folder: Path
    online: Place
    shown: Place
    actor: Address
    """Where the newest actor goes."""
    average: Address
    """Where its average goes, when asked for."""
    calibration: str = ""
    """Hash of the calibration of the robot that practises, or empty."""
    imitates: bool = False
    """Whether it waits for demonstrations and imitates them first."""
    standing: CheckpointInfo | None = None
    """Where to continue."""
    arrays: Mapping[str, NDArray[Any]] | None = None
    recorded: Recorded = None
    """What is imitated beside the demonstrations."""


class Note(msgspec.Struct, frozen=True):
    """What the loop says now and then."""

    steps: int
    minutes: float
    """Robot time."""
    scalars: dict[str, float]
    """Curves for TensorBoard."""
    average: bool = False
    """Whether to publish the averaged actor."""


class Said(msgspec.Struct, frozen=True):
    """What the learner answers."""

    updates: int
    failed: str = ""
    """Why it gave up, if it did."""
    last: bool = False
    """Whether everything is written, and nothing more will be said."""


def sizes_of(plan: LivePlan, spec: Spec) -> Sizes:
    """Lengths of what the learner gets."""
    return Sizes(plan.features.width(len(spec.joints)), PRIVILEGED, len(spec.joints))


def columns_of(plan: LivePlan, spec: Spec) -> Layout:
    """Columns of the replay of everything."""
    return layout(*sizes_of(plan, spec))


def shown_columns_of(plan: LivePlan, spec: Spec) -> Layout:
    """Columns of the replay of demonstrations: beside what was done, what the demonstrator wanted there."""
    return (*columns_of(plan, spec), ("wanted", (len(spec.joints),), "f4"))


def actor_for(plan: LivePlan, spec: Spec) -> NumpyActor:
    """The actor in NumPy, without weights yet."""
    n = len(spec.joints)
    return NumpyActor(scale_of(plan.features, n), plan.sac.actor_hidden, n)


def mirrors_of(plan: LivePlan) -> dict[str, Mirror]:
    """How the columns of the replays look to a mirrored robot."""
    seen = Mirror(np.arange(PRIVILEGED), np.array([1.0, -1.0, 1.0]))
    return {"obs": of_features(plan.features), "privileged": seen, "action": JOINTS}
