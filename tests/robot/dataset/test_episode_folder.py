"""A folder takes episodes of one body, from one recorder at a time, under numbers that never repeat; labels last."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from leash_robot.robot.dataset import folder as episode_folder
from leash_robot.robot.dataset.episode import load_dataset, read_episode
from leash_robot.robot.dataset.folder import check_same_body, lock_folder, locked, next_index
from leash_robot.robot.dataset.labels import LABELS, add_label, label_of, read_labels
from leash_robot.robot.dataset.metadata import OUTCOMES, Outcome
from leash_robot.robot.errors import EpisodeError, LabelError
from leash_robot.robot.spec import Spec
from support.recording.recordings import blind_spec, record, small_spec, start


def test_numbers_go_on_after_the_highest_ever_used(tmp_path: Path) -> None:
    assert next_index(tmp_path) == 0
    for name in (
        "episode_000003.mcap",
        "episode_000007.mcap.partial",
        "episode_000005.damaged",
        "notes.txt",
        "episode_x.mcap",
    ):
        (tmp_path / name).touch()
    assert next_index(tmp_path) == 8


def test_a_second_recorder_is_refused_until_the_first_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_folder, "PATIENCE", 0.2)
    with locked(tmp_path), pytest.raises(EpisodeError, match=rf"another recorder is .* \(process {os.getpid()}\)"):
        lock_folder(tmp_path)
    os.close(lock_folder(tmp_path))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(blind_spec(), rate=50.0), "rate = 20.0, this robot has 50.0"),
        (
            replace(blind_spec(), joints=blind_spec().joints[:11]),
            r"joints\[11\]\.name = back_left_knee, this robot has None",
        ),
        (small_spec(), "name = blind, this robot has small"),
    ],
    ids=["rate", "joints", "name"],
)
def test_a_folder_of_another_body_is_refused_with_what_differs(tmp_path: Path, other: Spec, what: str) -> None:
    record(tmp_path, 2, blind_spec())
    (tmp_path / "episode_000001.mcap").write_bytes(b"unreadable")
    check_same_body(tmp_path, blind_spec())
    with pytest.raises(EpisodeError, match=what) as caught:
        check_same_body(tmp_path, other)
    assert "\n" not in str(caught.value)


def test_a_spec_whose_hash_alone_differs_is_refused_too(tmp_path: Path) -> None:
    ints = replace(blind_spec(), rate=20)
    record(tmp_path, 2, ints)
    with pytest.raises(EpisodeError, match="was recorded with spec ="):
        check_same_body(tmp_path, blind_spec())


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1))
def test_the_last_label_counts(tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcome]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    for outcome in outcomes:
        add_label(folder / "episode_000004.mcap", outcome, "somebody", id="four")
    assert outcome_of(folder, "four") == outcomes[-1]


def outcome_of(folder: Path, id: str) -> Outcome | None:
    return label_of(read_labels(folder), "whatever.mcap", replace(start(), id=id))


def test_a_label_changes_the_outcome_and_not_the_file(tmp_path: Path) -> None:
    path = record(tmp_path, 3, outcome="success")
    before = path.read_bytes()
    add_label(path, "discarded")
    assert read_episode(path).outcome == "discarded"
    with pytest.raises(EpisodeError, match="no episode"):
        load_dataset(tmp_path)
    add_label(path, "failure")
    assert load_dataset(tmp_path)[0].outcome == "failure"
    assert path.read_bytes() == before


def test_a_torn_label_line_costs_only_itself(tmp_path: Path) -> None:
    path = record(tmp_path)
    add_label(path, "success")
    with (tmp_path / LABELS).open("ab") as file:
        file.write(b'{"episode": "episode_000000.mcap", "outco')
    assert read_episode(path).outcome == "success"
    add_label(path, "failure")
    assert read_episode(path).outcome == "failure"


def test_labels_of_a_folder_without_any(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == []


def test_labels_that_cannot_be_read_or_written_are_named_and_no_episode_is_called_damaged(tmp_path: Path) -> None:
    path = record(tmp_path, 3)
    (tmp_path / LABELS).mkdir()
    for action in (lambda: add_label(path, "failure"), lambda: read_episode(path), lambda: load_dataset(tmp_path)):
        with pytest.raises(LabelError, match=r"cannot (read|write) .*labels\.jsonl: Is a directory"):
            action()


def test_a_label_of_which_only_a_part_fits_on_the_disk_is_not_called_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = record(tmp_path), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:9]))
    with pytest.raises(LabelError, match="No space left on device"):
        add_label(path, "success")
    monkeypatch.undo()
    add_label(path, "failure")
    assert read_episode(path).outcome == "failure"
