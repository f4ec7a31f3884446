"""Recordings as something to imitate: what was seen, and the action in [-1, 1] that would have asked for the same.

A robot cannot measure its own velocity, so recordings have no rewards; they teach what to do, not what it is worth.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.imitation.samples import proposals, unbroken
from leash_robot.policies.rl.replay_buffer import FINAL, ReplayBuffer
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.action_filter import ActionFilter, expressible
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, Float32, of_episode
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

OUTSIDE = 0.01
"""Part of the recorded targets of a joint that may lie outside the action box."""


class RecordedActions(NamedTuple):
    """What recordings teach."""

    features: Float32
    """(N, d)"""
    actions: Float32
    """(N, n) in [-1, 1]"""
    left_out: int
    """Ticks whose target the action box cannot express."""


def recorded(
    episodes: Sequence[Episode], spec: Spec, features: FeatureConfig, action_filter: ActionFilter
) -> RecordedActions:
    """All ticks at which somebody proposed a target that the action box can express, after one whose target is known:
    the filter goes on from that.

    Raises PolicyError when the recordings reach out of the box.
    """
    seen, wanted, before = [], [], []
    for episode in episodes:
        said, target = proposals(episode, "both")
        rows = of_episode(features, spec.stand, episode)
        use = said & np.isfinite(rows).all(axis=-1) & unbroken(episode.number, features.frames) & _followed(episode)
        last = np.concatenate([spec.stand[None], episode.sent.joint_pos[:-1]])
        seen.append(rows[use])
        wanted.append(target[use] - spec.stand)
        before.append(last[use] - spec.stand)
    offset, past = np.concatenate(wanted), np.concatenate(before)
    if not len(offset):
        raise PolicyError("at no tick of the recordings was all measured that the features need; choose other --demos")
    _check(offset, spec, action_filter.scale)
    action = action_filter.action(offset, past)
    use = expressible(action)
    if not use.any():
        raise PolicyError("the action box can express no tick of the demonstrations; widen `walk.box`, or the filter")
    return RecordedActions(np.concatenate(seen)[use].astype(np.float32), action[use], int((~use).sum()))


def _followed(episode: Episode) -> NDArray[np.bool_]:
    """Ticks (T,) that follow the one before without a lost tick between them."""
    return np.concatenate([[False], np.diff(episode.number.astype(np.int64)) == 1])[: len(episode)]


def _check(offset: Array, spec: Spec, box: Array) -> None:
    reach = np.quantile(np.abs(offset), 1 - OUTSIDE, axis=0)
    worst = int(np.argmax(reach / box))
    if reach[worst] > box[worst]:
        raise PolicyError(
            f"the demonstrations move {spec.names[worst]} {reach[worst]:.2f} rad from standing, outside the action box"
            f" of {box[worst]:.2f} rad; widen `walk.box` or record within it"
        )


def count_demonstrated(replays: Sequence[ReplayBuffer]) -> dict[str, int]:
    """Steps that these replays of demonstrations hold, and how many of them are left out of the actor's losses: the
    action scale cannot express what the expert wanted there.
    """
    rows = [(replay.columns["wanted"], replay.columns["end"], replay.written) for replay in replays]
    inside = [expressible(wanted[:count][end[:count] != FINAL]) for wanted, end, count in rows]
    return {"demonstrated": sum(map(len, inside)), "left_out": sum(int((~each).sum()) for each in inside)}
