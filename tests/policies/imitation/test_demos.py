"""Recordings that reinforcement learning imitates: which are taken."""

from pathlib import Path

import numpy as np
import pytest

from leash_robot.launch.commands.train.demos import imitable
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import EpisodeError
from support.walks import BLIND, demonstration, recorded

WIDE = ActionFilter(np.full(12, 2.0), 0.0)


def test_failures_are_imitated_only_where_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, count in enumerate((40, 25)):
        recorded(tmp_path, demonstration(index, count), index)
    add_label(tmp_path / "episode_000001.mcap", "failure")
    usual = imitable((tmp_path,), BLIND, FeatureConfig(), WIDE)
    failed = imitable((tmp_path,), BLIND, FeatureConfig(), WIDE, ["failure"])
    assert usual is not None and failed is not None
    assert (len(usual[0]), len(failed[0])) == (39, 24)  # what a first tick was filtered from is not known
    assert "learning from 1 episode, 40 ticks; 1 left out: 1 failure" in capsys.readouterr().err


def test_no_demonstrations_are_none_and_only_failures_are_one_line(tmp_path: Path) -> None:
    assert imitable((), BLIND, FeatureConfig(), WIDE) is None
    recorded(tmp_path, demonstration(0, 30), 0, "failure")
    with pytest.raises(EpisodeError, match="not the one recording in .*: 1 failure; give --outcomes"):
        imitable((tmp_path,), BLIND, FeatureConfig(), WIDE)
