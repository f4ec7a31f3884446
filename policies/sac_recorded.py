"""Recordings as something to imitate: what was seen, and the action in [-1, 1] that would have asked for the same.

A robot cannot measure its own velocity, so recordings have no rewards; they teach what to do, not what it is worth.
"""

from collections.abc import Sequence

import numpy as np

from policies.features import FeatureConfig, Float32, of_episode
from policies.samples import proposals, unbroken
from robot.episode import Episode
from robot.errors import PolicyError
from robot.spec import Spec
from robot.types import Array

OUTSIDE = 0.01
"""Part of the recorded targets of a joint that may lie outside the action box."""


def recorded(
    episodes: Sequence[Episode], spec: Spec, features: FeatureConfig, box: Array, newest: float
) -> tuple[Float32, Float32]:
    """Features (N, d) and actions (N, n) of all ticks at which somebody proposed a target.

    `box` (n,) is the half-range of the targets [rad], `newest` the weight of the newest target in their filter. Raises
    PolicyError when the recordings reach out of the box.
    """
    seen, wanted, before = [], [], []
    for episode in episodes:
        said, target = proposals(episode, "both")
        rows = of_episode(features, spec.stand, episode)
        use = said & np.isfinite(rows).all(axis=-1) & unbroken(episode.number, features.frames)
        last = np.concatenate([spec.stand[None], episode.sent.joint_pos[:-1]])
        seen.append(rows[use])
        wanted.append(target[use] - spec.stand)
        before.append(last[use] - spec.stand)
    offset, past = np.concatenate(wanted), np.concatenate(before)
    if not len(offset):
        raise PolicyError("at no tick of the recordings was all measured that the features need; choose other --demos")
    _check(offset, spec, box)
    action = (offset - (1 - newest) * past) / (newest * box)
    return np.concatenate(seen).astype(np.float32), action.clip(-1.0, 1.0).astype(np.float32)


def _check(offset: Array, spec: Spec, box: Array) -> None:
    reach = np.quantile(np.abs(offset), 1 - OUTSIDE, axis=0)
    worst = int(np.argmax(reach / box))
    if reach[worst] > box[worst]:
        raise PolicyError(
            f"the demonstrations move {spec.names[worst]} {reach[worst]:.2f} rad from standing, outside the action box"
            f" of {box[worst]:.2f} rad; widen `walk.box` or record within it"
        )
