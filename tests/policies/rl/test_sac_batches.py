"""Batches are made of the right rows."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from leash_robot.policies.rl.replay_buffer import Layout, ReplayBuffer, layout
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.config import SacConfig, Share

ONLINE = layout(2, 0, 3)
SHOWN: Layout = (*ONLINE, ("wanted", (3,), "f4"))
CONFIG = SacConfig(batch=64, n_step=1)


@pytest.fixture
def replays() -> tuple[ReplayBuffer, ReplayBuffer]:
    """What a policy did by itself, 0.1, and what was done, 0.9, where a demonstrator would have done -0.5."""
    online, shown = ReplayBuffer(capacity=200, columns=ONLINE), ReplayBuffer(capacity=200, columns=SHOWN)
    rest: dict[str, ArrayLike] = {"privileged": np.zeros(0), "reward": 1.0, "end": 0, "burst": 0}
    for _ in range(100):
        online.add(obs=np.zeros(2), action=np.full(3, 0.1), **rest)
        shown.add(obs=np.ones(2), action=np.full(3, 0.9), wanted=np.full(3, -0.5), **rest)
    return online, shown


def test_what_was_done_has_its_worth_and_what_was_wanted_is_imitated(
    replays: tuple[ReplayBuffer, ReplayBuffer],
) -> None:
    online, shown = replays
    batch = Batches([online], CONFIG, {}, demonstrated=[shown], share=Share(0.25, 0.25, 1)).draw(0)
    own = batch.demonstrated == 0
    assert own.sum() == 48
    for rows, action in ((own, 0.1), (~own, 0.9)):
        np.testing.assert_allclose(batch.action[rows], action)
    np.testing.assert_allclose(batch.expert_action[~own], -0.5)
    for replay in replays:
        replay.close()


def test_without_demonstrations_nothing_is_wanted_but_what_was_done(replays: tuple[ReplayBuffer, ReplayBuffer]) -> None:
    batch = Batches(replays[:1], CONFIG, {}).draw(0)
    assert batch.expert_action is batch.action and not batch.demonstrated.any()
    for replay in replays:
        replay.close()
