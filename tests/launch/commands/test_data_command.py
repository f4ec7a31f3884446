"""`leash data` as a user meets it: what it says, what it writes, and its exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from leash_robot.launch.commands.data.command import main
from leash_robot.launch.commands.data.plot import KINDS
from leash_robot.launch.reporting.output import console
from leash_robot.robot.dataset import folder as episode_folder
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.folder import locked
from leash_robot.robot.dataset.mcap.scan import scan
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import EpisodeError, LabelError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Tick
from support.recording.recordings import fill, flip, record, start, ticks


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON object on the last line."""
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def folder_of_three(folder: Path) -> tuple[int, Path]:
    """A whole, a damaged and an unfinished episode; at which byte the damaged one is."""
    record(folder, 23, index=0)
    damaged = record(folder, 23, index=1, outcome="failure")
    byte = scan(damaged.read_bytes()).ticks[2].start
    flip(damaged, byte + 300)
    writer = EpisodeWriter(folder / "episode_000002.mcap", start(index=2))
    fill(writer, ticks(12))
    writer.close()
    return byte, damaged


def test_list_tells_whole_damaged_and_unfinished_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    byte, _ = folder_of_three(tmp_path)
    assert main(["list", str(tmp_path), "--json"]) == 0
    rows = told(capsys)["episodes"]
    assert [row["state"] for row in rows] == ["ok", "damaged", "partial"]
    assert [row.get("ticks") for row in rows] == [23, None, 10]
    assert f"at byte {byte}" in rows[1]["error"]
    assert rows[0]["cameras"] == {"head": 23, "tail": 11}
    assert sum(rows[0]["drove"].values()) == pytest.approx(1)
    assert (rows[0]["outcome"], rows[0]["info_task"]) == ("success", "walk")


def test_list_says_what_verify_says_of_a_damaged_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path)
    flip(path, scan(path.read_bytes()).views[1].start + 500)
    assert main(["verify", str(tmp_path), "--json"]) == 1
    (fault,) = told(capsys)["faults"]
    main(["list", str(tmp_path), "--json"])
    (row,) = told(capsys)["episodes"]
    assert row["state"] == "damaged"
    assert f"at byte {fault['byte']}: {fault['what']}; `leash data recover {path}`" in row["error"]


def test_list_tells_what_a_killed_session_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, 0, index=0)
    writer = EpisodeWriter(tmp_path / "episode_000001.mcap", start(index=1))
    fill(writer, ticks(12))
    writer.close()
    with locked(tmp_path):
        main(["list", str(tmp_path), "--json"])
    assert [row["state"] for row in told(capsys)["episodes"]] == ["empty", "recording"]
    main(["list", str(tmp_path)])
    said = capsys.readouterr().err
    assert "episode_000000.mcap holds no tick" in said
    assert f"{partial(writer.path)} was never finished; `leash data recover" in said


def test_the_list_is_a_table_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of_three(tmp_path)
    assert main(["list", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(word in captured.err for word in ("000000", "000001", "damaged", "partial"))


def test_verify_names_the_file_and_the_byte_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    byte, damaged = folder_of_three(tmp_path)
    assert main(["verify", str(tmp_path / "episode_000000.mcap")]) == 0
    assert main(["verify", str(tmp_path), "--json"]) == 1
    result = told(capsys)
    assert (result["files"], result["damaged"]) == (3, 2)
    assert result["faults"][0] == {
        "file": str(damaged),
        "byte": byte,
        "what": "a chunk that does not match its checksum",
    }


def test_verify_names_a_file_that_is_no_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "episode_000000.mcap").write_bytes(b"hello")
    assert main(["verify", str(tmp_path), "--json"]) == 1
    assert told(capsys)["faults"][0]["what"] == "not an MCAP file"


def test_recover_saves_what_is_whole_and_keeps_the_originals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of_three(tmp_path)
    assert main(["recover", str(tmp_path), "--json"]) == 0
    assert [done["ticks"] for done in told(capsys)["recovered"]] == [18, 10]
    assert main(["verify", str(tmp_path)]) == 0
    assert len(list((tmp_path / "originals").iterdir())) == 2


def test_recover_fails_when_there_is_nothing_to_save(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path)
    assert main(["recover", str(path), "--json"]) == 1
    assert "nothing to recover" in told(capsys)["failed"][0]["error"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 23])
def test_show_tells_everything_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, count: int
) -> None:
    path, picture = record(tmp_path, count), tmp_path / f"walk{kind}"
    assert main(["show", str(path), "--plot", str(picture), "--json"]) == 0
    figures = told(capsys)
    assert (figures["ticks"], figures["plot"]) == (count, str(picture))
    head = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!doctype html>"}[kind]
    assert picture.read_bytes().startswith(head)


def test_show_refuses_a_kind_of_picture_that_nobody_draws(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"walk\.gif; name a file that ends in \.png"):
        main(["show", str(record(tmp_path)), "--plot", str(tmp_path / "walk.gif")])


def test_label_changes_the_outcome_and_not_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path)
    before = path.read_bytes()
    assert main(["label", str(path), "failure", "--json"]) == 0
    assert told(capsys) == {"file": str(path), "before": "success", "outcome": "failure"}
    assert read_episode(path).outcome == "failure"
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["list", "verify", "recover"])
def test_a_path_that_is_not_there_or_empty_is_named(tmp_path: Path, command: str) -> None:
    with pytest.raises(EpisodeError, match="nothing is neither an episode file nor a folder"):
        main([command, str(tmp_path / "nothing")])
    with pytest.raises(EpisodeError, match="no episodes in"):
        main([command, str(tmp_path)])


def stand_still(folder: Path, count: int = 8) -> Path:
    """An episode of standing."""
    spec = load_spec()
    writer = EpisodeWriter(folder / "episode_000000.mcap", start(spec))
    robot = FakeRobot(spec)
    robot.reset()
    for number in range(count):
        obs = robot.observe()
        action = Action(spec.stand)
        writer.add(writer.layout.pack(number, Tick(obs, action, robot.send(action)), ("head",)), {})
    return writer.finish(End())


def test_replay_sends_a_simulated_robot_what_was_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(stand_still(tmp_path)), "--robot", "sim", "--json"]) == 0
    figures = told(capsys)
    assert figures["ticks"] == 8
    assert figures["sent_off_max_rad"] == 0
    assert figures["joint_off_rms_rad"] < 0.2


def test_replay_refuses_a_robot_that_stands_otherwise(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"rad from where the recording began \(0\.35 allowed\)"):
        main(["replay", str(record(tmp_path)), "--robot", "sim"])


def test_unfinished_episodes_are_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of_three(tmp_path)
    assert main(["show", str(partial(tmp_path / "episode_000002.mcap")), "--json"]) == 0
    assert told(capsys)["ticks"] == 10


def test_the_list_names_episodes_by_number_and_wraps_nothing_at_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_three(tmp_path)
    record(tmp_path, 23, index=123456, outcome="unlabelled")
    for width, dropped in ((200, ()), (80, ("frames",)), (60, ("frames", "MB", "late p99"))):
        monkeypatch.setattr(console, "width", width)
        assert main(["list", str(tmp_path)]) == 0
        lines = capsys.readouterr().err.splitlines()
        rows = [line.strip("│ ") for line in lines if line.startswith("│")]
        assert [row.split()[0] for row in rows] == ["000000", "000001", "000002", "123456"]
        assert "unlabelled" in rows[3]
        assert max(len(line) for line in lines if line[0] in "┏┃│└") <= width
        assert "…" not in "".join(rows)
        assert all((name in lines[1]) == (name not in dropped) for name in ("frames", "MB", "late p99"))


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    path = record(tmp_path)
    for kind in KINDS:
        with pytest.raises(EpisodeError, match=r"cannot draw into /proc/nope/x.*: No such file or directory"):
            main(["show", str(path), "--plot", f"/proc/nope/x{kind}"])


@pytest.mark.parametrize("command", [["list"], ["show"], ["label", "failure"]])
def test_labels_that_cannot_be_read_are_one_line(tmp_path: Path, command: list[str]) -> None:
    path = record(tmp_path)
    (tmp_path / "labels.jsonl").mkdir()
    with pytest.raises(LabelError, match=r"labels\.jsonl: Is a directory"):
        main([command[0], str(path), *command[1:]])


def test_a_folder_that_somebody_records_into_is_not_recovered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_folder, "PATIENCE", 0.1)
    folder_of_three(tmp_path)
    before = sorted(tmp_path.iterdir())
    with locked(tmp_path), pytest.raises(EpisodeError, match=r"another recorder is writing to .* \(process \d+\)"):
        main(["recover", str(tmp_path)])
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / ".lock"])


def test_a_file_that_cannot_be_recovered_does_not_keep_the_others_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of_three(tmp_path)
    (tmp_path / "episode_000000.mcap").unlink()
    (tmp_path / "episode_000000.mcap").mkdir()
    assert main(["recover", str(tmp_path), "--json"]) == 1
    result = told(capsys)
    assert [done["ticks"] for done in result["recovered"]] == [18, 10]
    assert "episode_000000.mcap: Is a directory" in result["failed"][0]["error"]
