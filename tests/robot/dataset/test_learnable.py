"""What is said where nothing can be learned from, and where an episode is of no track."""

from pathlib import Path

import pytest

from leash_robot.robot.dataset.learnable import select_learnable
from leash_robot.robot.dataset.tracks import recorded_tracks
from leash_robot.robot.errors import EpisodeError
from support.recording.recordings import record


def test_where_other_outcomes_would_help_they_are_named(tmp_path: Path) -> None:
    path = record(tmp_path, 5, outcome="failure")
    with pytest.raises(EpisodeError, match=r"not the one recording .* give --outcomes success failure"):
        select_learnable([(path, ("success",))], "here")


def test_where_nothing_would_help_more_is_to_be_recorded(tmp_path: Path) -> None:
    paths = [record(tmp_path, 0, index=index) for index in range(2)]
    with pytest.raises(EpisodeError, match=r"none of 2 recordings in here .* record more with `leash collect`"):
        select_learnable([(path, ("success",)) for path in paths], "here")


def test_an_episode_that_was_recorded_on_no_track_does_not_count(tmp_path: Path) -> None:
    record(tmp_path, 5)
    assert recorded_tracks(tmp_path) == {}
