"""A replay does again what was sent, on the same body from the same pose, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.replay_policy import ReplayPolicy
from support.recording.recordings import blind_spec, fill, record, small_spec, start, ticks


def test_a_replay_wants_what_was_sent_tick_by_tick(tmp_path: Path) -> None:
    episode, made = read_episode(record(tmp_path)), ticks(23)
    replay = ReplayPolicy(episode, small_spec())
    assert len(replay) == 23
    for _ in range(2):
        replay.reset()
        actions = [replay.act(one.obs) for one in made]
        np.testing.assert_array_equal([action.joint_pos for action in actions], episode.sent.joint_pos)
        np.testing.assert_array_equal([action.command for action in actions], episode.sent.command)
        for action, one in zip(actions, made, strict=True):
            assert action.source == ("policy" if one.sent.source == "human" else one.sent.source)
    assert replay.act(made[0].obs).source == "hold"


def test_ticks_that_were_lost_hold_the_last_target(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start())
    made = ticks(6)
    fill(writer, made[:2])
    fill(writer, made, first=4)
    writer.finish(End(dropped=2))
    replay = ReplayPolicy(read_episode(writer.path), small_spec())
    actions = [replay.act(one.obs) for one in made]
    assert [action.source for action in actions[2:4]] == ["hold", "hold"]
    np.testing.assert_array_equal(actions[3].joint_pos, made[1].sent.joint_pos)
    np.testing.assert_array_equal(actions[4].joint_pos, made[4].sent.joint_pos)


def test_a_robot_in_another_pose_is_refused_naming_the_joint(tmp_path: Path) -> None:
    replay = ReplayPolicy(read_episode(record(tmp_path)), small_spec())
    obs = ticks(1)[0].obs
    obs.joint_pos[4] += 0.5
    with pytest.raises(EpisodeError, match=r"front_left_hip is 0\.50 rad from where .* \(0\.35 allowed\)"):
        replay.act(obs)


def test_a_pose_that_is_not_measured_is_refused(tmp_path: Path) -> None:
    replay = ReplayPolicy(read_episode(record(tmp_path)), small_spec())
    obs = ticks(1)[0].obs
    obs.joint_pos[:] = np.nan
    with pytest.raises(EpisodeError, match="nan rad from where"):
        replay.act(obs)


def test_another_body_another_rate_and_an_empty_episode_are_refused(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path))
    with pytest.raises(EpisodeError, match="this robot is small at 50 Hz"):
        ReplayPolicy(episode, replace(small_spec(), rate=50.0))
    with pytest.raises(EpisodeError, match="was recorded on small"):
        ReplayPolicy(episode, replace(blind_spec(), joints=blind_spec().joints[:3]))
    with pytest.raises(EpisodeError, match="no ticks to replay"):
        ReplayPolicy(read_episode(record(tmp_path, 0, index=1)), small_spec())
