"""Which recordings can be learned from: the whole ones; the others are named with the reason."""

from pathlib import Path

import pytest

from leash_robot.robot.dataset.episode import load_dataset
from leash_robot.robot.dataset.folder import being_recorded, locked
from leash_robot.robot.dataset.mcap.scan import scan
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial
from leash_robot.robot.dataset.selection import select_episodes
from leash_robot.robot.errors import EpisodeError
from support.recording.recordings import fill, flip, record, start, ticks


def damage_a_frame(path: Path) -> None:
    """Flip a bit of a camera frame, which reading the ticks does not look at."""
    flip(path, scan(path.read_bytes()).views[1].start + 500)


def folder_of_six(folder: Path) -> None:
    record(folder, 23, index=0)
    damage_a_frame(record(folder, 23, index=1))
    record(folder, 23, index=2, outcome="failure")
    record(folder, 0, index=3)
    writer = EpisodeWriter(folder / "episode_000004.mcap", start(index=4))
    fill(writer, ticks(12))
    writer.close()
    (folder / "episode_000005.mcap").write_bytes(b"hello")


def test_whole_episodes_are_selected_and_the_others_are_left_out_with_the_reason(tmp_path: Path) -> None:
    folder_of_six(tmp_path)
    chosen = select_episodes(tmp_path)
    assert [episode.path.name for episode in chosen.episodes] == ["episode_000000.mcap"]
    reasons = {left.path.name: left.reason for left in chosen.left_out}
    assert reasons["episode_000001.mcap"].startswith("damaged, at byte")
    assert reasons["episode_000002.mcap"] == "its outcome is failure"
    assert reasons["episode_000003.mcap"] == "it holds no tick"
    assert "never finished; `leash data recover" in reasons["episode_000004.mcap.partial"]
    assert reasons["episode_000005.mcap"] == "not an MCAP file"


def test_files_and_folders_are_selected_by_outcome(tmp_path: Path) -> None:
    folder_of_six(tmp_path)
    one, two = tmp_path / "episode_000000.mcap", tmp_path / "episode_000002.mcap"
    chosen = select_episodes([one, two], outcomes=["failure"])
    assert ([episode.path for episode in chosen.episodes], [left.path for left in chosen.left_out]) == ([two], [one])


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="nothing is neither"):
        select_episodes(tmp_path / "nothing")


def test_a_data_set_leaves_out_an_episode_with_a_damaged_frame(tmp_path: Path) -> None:
    record(tmp_path, 23, index=0)
    damage_a_frame(record(tmp_path, 23, index=1))
    writer = EpisodeWriter(tmp_path / "episode_000002.mcap", start(index=2))
    fill(writer, ticks(12))
    writer.close()
    said: list[str] = []
    files = [*sorted(tmp_path.glob("*.mcap")), partial(tmp_path / "episode_000002.mcap")]
    assert [episode.path.name for episode in load_dataset(files, report=said.append)] == [
        "episode_000000.mcap",
        "episode_000002.mcap.partial",
    ]
    (line,) = said
    assert "episode_000001.mcap is damaged, at byte" in line


def test_a_folder_says_whether_somebody_records_into_it(tmp_path: Path) -> None:
    assert not being_recorded(tmp_path)
    with locked(tmp_path):
        assert being_recorded(tmp_path)
    assert not being_recorded(tmp_path)
