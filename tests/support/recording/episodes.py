"""Comparing a recorded episode with the ticks that it was made of."""

import numpy as np

from leash_robot.robot.dataset.episode import Actions, Episode
from leash_robot.robot.types import SOURCES, Action, Tick


def same_action(actions: Actions, row: int, action: Action | None) -> None:
    if action is None:
        assert actions.source[row] == -1
        assert np.isnan([*actions.joint_pos[row], *actions.command[row], actions.risk[row]]).all()
        return
    assert SOURCES[actions.source[row]] == action.source
    np.testing.assert_array_equal(actions.joint_pos[row], action.joint_pos)
    np.testing.assert_array_equal(actions.command[row], action.command)
    np.testing.assert_array_equal(actions.risk[row], action.risk)


def same_ticks(episode: Episode, made: list[Tick]) -> None:
    assert len(episode) == len(made)
    for row, one in enumerate(made):
        for name in ("time", "late", "age", "joint_pos", "joint_vel", "joint_effort", "gravity", "gyro", "command"):
            np.testing.assert_array_equal(getattr(episode, name)[row], getattr(one.obs, name))
        for name in ("wanted", "sent", "human", "policy"):
            same_action(getattr(episode, name), row, getattr(one, name))
        for name in episode.camera_time:
            image = one.obs.images.get(name)
            np.testing.assert_array_equal(episode.camera_time[name][row], image.time if image else np.nan)
