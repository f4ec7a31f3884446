"""The recorder as a user meets it: real processes, real deaths, real disks."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.robot.dataset.episode import load_dataset, read_episode
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import OUTCOMES, End
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.errors import EpisodeError, RobotError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.recording import recorder as recorder_module
from leash_robot.robot.recording import supervisor as recorder_link
from leash_robot.robot.recording.messages import EpisodeFailed
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Action, Observation, Tick
from support.paths import TESTS
from support.recording.episodes import same_ticks
from support.recording.recorders import SPEC, feed, kill, recorder, until
from support.recording.recordings import blind_spec, fill, record, start, ticks


def test_a_session_of_episodes_comes_back_number_for_number(tmp_path: Path) -> None:
    with recorder(tmp_path / "new" / "folder") as one:
        for index, outcome in enumerate(OUTCOMES[:3]):
            feed(one, ticks(3, seed=99))
            assert one.begin({"seed": str(index)}) == index
            feed(one, ticks(20 + index, seed=index))
            assert one.status.ticks == 20 + index
            assert one.status.recording
            one.end(outcome)
            assert not one.status.recording
        assert one.wait()
        assert one.last is not None
        assert (one.last.index, one.last.ticks, one.last.outcome, one.last.reason) == (2, 22, "failure", "stopped")
        assert (one.status.dropped, one.status.restarts, one.status.error) == (0, 0, "")
    loaded = load_dataset(one.folder)
    assert [episode.outcome for episode in loaded] == list(OUTCOMES[:3])
    for index, episode in enumerate(loaded):
        same_ticks(episode, ticks(20 + index, seed=index))
        assert (episode.image_index("head") == np.arange(20 + index)).all()
        assert episode.start.info == {"task": "walk", "seed": str(index)}
        assert episode.start.calibration_hash == "c0ffee"
        assert verify(episode.path) == []


def test_a_second_session_goes_on_with_the_next_number(tmp_path: Path) -> None:
    for index in range(2):
        with recorder(tmp_path) as one:
            assert one.begin() == index
            feed(one, ticks(3))


def test_the_loop_records_a_fake_robot(tmp_path: Path) -> None:
    class Stand:
        def reset(self) -> None:
            pass

        def act(self, obs: Observation) -> Action:
            return Action(SPEC.stand, obs.command)

    with FakeRobot(SPEC, images=True) as robot, recorder(tmp_path) as one:
        robot.reset()
        one.begin()
        run(robot, Stand(), one, ticks=15)
        one.end("success")
    episode = read_episode(tmp_path / "episode_000000.mcap")
    np.testing.assert_allclose(np.diff(episode.time), SPEC.period)
    assert next(episode.frames("tail")).rgb.shape == (16, 16, 3)


def test_wall_clock_times_start_from_now_and_keep_the_order_of_monotonic_time(tmp_path: Path) -> None:
    before = time.time_ns()
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, ticks(5))
    start = read_episode(tmp_path / "episode_000000.mcap").start
    first = start.clock_offset + round((ticks(1)[0].obs.time + ticks(1)[0].obs.age) * 1e9)
    assert before - 1_000_000 <= first <= time.time_ns()


@pytest.mark.parametrize("when", ["at once", "after some", "at the end", "twice"])
def test_killing_the_recorder_loses_and_doubles_no_tick(tmp_path: Path, when: str) -> None:
    made = ticks(60)
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, made[:5])
        one.end("success")
        assert one.wait()
        finished = (tmp_path / "episode_000000.mcap").read_bytes()
        one.begin()
        if when == "at once":
            kill(one)
        feed(one, made[:30])
        if when in ("after some", "twice"):
            until(lambda: one.wait(0.0))
            kill(one)
        feed(one, made[30:])
        if when == "twice":
            assert one.wait()
            kill(one)
        one.end("failure")
        if when == "at the end":
            kill(one)
        assert one.wait()
        assert one.last is not None
        assert (one.last.index, one.last.ticks, one.last.outcome) == (1, 60, "failure")
        assert one.status.restarts == (2 if when == "twice" else 1)
        assert one.status.error == ""
    assert (tmp_path / "episode_000000.mcap").read_bytes() == finished
    episode = read_episode(tmp_path / "episode_000001.mcap")
    same_ticks(episode, made)
    assert (episode.image_index("head") == np.arange(60)).all()
    assert verify(episode.path) == []


def test_a_recorder_that_dies_is_not_started_again_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorder(tmp_path) as one:
        one.begin()
        monkeypatch.setattr(recorder_link, "RESTART_AFTER", 1e9)
        kill(one)
        feed(one, ticks(10))
        assert (one.status.restarts, one.status.dropped) == (0, 0)
        monkeypatch.setattr(recorder_link, "RESTART_AFTER", 0.0)
        assert one.status.restarts == 1
    same_ticks(read_episode(tmp_path / "episode_000000.mcap"), ticks(10))


CONTROL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.recording.recordings import small_spec, ticks
from leash_robot.robot.recording.recorder import Recorder
with Recorder(Path(sys.argv[1]), small_spec(), room=0) as recorder:
    recorder.begin()
    for tick in ticks(20):
        recorder.add(tick)
    assert recorder.wait()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_when_the_control_process_is_killed_the_recorder_completes_the_episode_and_goes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CONTROL, str(tmp_path), str(TESTS)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    path = tmp_path / "episode_000000.mcap"
    until(path.exists, seconds=5)
    episode = read_episode(path)
    same_ticks(episode, ticks(20))
    assert episode.end is not None
    assert (episode.end.reason, episode.end.detail) == ("interrupted", "control lost")
    with recorder(tmp_path) as one:
        assert one.begin() == 2  # 1 was kept for an episode that might have been shown already


def test_a_recorder_that_stands_still_costs_ticks_that_are_counted_and_never_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_link, "CAPACITY", 40_000)
    made = ticks(60)
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, made[:5])
        assert one.wait()
        os.kill(one.process, signal.SIGSTOP)
        feed(one, made[5:50])
        dropped = one.status.dropped
        assert 0 < dropped < 45
        os.kill(one.process, signal.SIGCONT)
        assert one.wait()
        feed(one, made[50:])
        one.end()
    episode = read_episode(tmp_path / "episode_000000.mcap")
    assert episode.end is not None
    assert (len(episode), episode.end.dropped) == (60 - dropped, dropped)
    same_ticks(episode, [made[number] for number in episode.number])
    assert (episode.image_index("head") >= 0).all(), "a frame lost with its tick is sent again with the next"
    assert (episode.image_index("tail")[2:] >= 0).all()


def test_an_exception_ends_the_episode_as_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), recorder(tmp_path) as one:
        one.begin()
        feed(one, ticks(3))
        raise ZeroDivisionError("by nothing")
    end = read_episode(tmp_path / "episode_000000.mcap").end
    assert end is not None
    assert end == End("unlabelled", "fault", 3, detail="by nothing")


def test_a_session_hears_that_what_a_crash_interrupted_was_completed(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start())
    fill(writer, ticks(4))
    writer.flush()
    writer.close()
    with recorder(tmp_path) as one:
        until(lambda: bool(one.status and one.notes))
    assert one.notes == ["episode_000000.mcap was interrupted by a crash; its 4 ticks are kept"]


def test_an_episode_without_ticks_leaves_no_file(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        one.begin()
        one.end("success")
        assert one.wait()
        assert one.last is not None
        assert one.last.ticks == 0
    assert not list(tmp_path.glob("episode_*"))


def test_a_tick_without_a_time_is_dropped_and_counted(tmp_path: Path) -> None:
    made = ticks(3)
    nowhen = Tick(ticks(1, begin=float("nan"))[0].obs, made[1].wanted, made[1].sent)
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, [made[0], nowhen, made[2]])
        assert one.status.dropped == 1
    episode = read_episode(tmp_path / "episode_000000.mcap")
    assert list(episode.number) == [0, 2]


def test_beginning_twice_is_refused(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        one.begin()
        with pytest.raises(EpisodeError, match="episode 0 is still running"):
            one.begin()


def test_an_episode_does_not_begin_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    room = shutil.disk_usage(tmp_path).total + 1
    with Recorder(tmp_path, SPEC, room=room) as one, pytest.raises(EpisodeError, match=r"MB are free in .* make room"):
        one.begin()


def test_a_folder_of_another_body_is_refused_and_left_free(tmp_path: Path) -> None:
    record(tmp_path, 2, blind_spec())
    for _ in range(2):
        with pytest.raises(EpisodeError, match="name = blind, this robot has small"), recorder(tmp_path):
            pass
    with Recorder(tmp_path, blind_spec()):
        pass


def test_a_recorder_that_cannot_start_says_why_and_the_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_link, "PROGRAM", "raise SystemExit('no such luck')")
    monkeypatch.setattr(recorder_link, "RESTART_AFTER", 0.001)
    monkeypatch.setattr(recorder_module, "PATIENCE", 0.1)
    with pytest.raises(EpisodeError, match=r"3 ticks, .* are lost: .*no such luck"), recorder(tmp_path) as one:
        one.begin()
        feed(one, ticks(3))
        until(lambda: "no such luck" in one.status.error)


FULL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.recording.recordings import small_spec, ticks
from leash_robot.robot.recording.recorder import Recorder
made = ticks(1500)
with Recorder(Path(sys.argv[1]), small_spec(), room=5 << 20) as recorder:
    recorder.begin()
    for number, tick in enumerate(made):
        recorder.add(tick)
        if number % 300 == 0:
            recorder.wait()
    assert recorder.wait()
    print(recorder.status.error)
    recorder.end("success")
    assert recorder.wait()
    print(recorder.last.detail, recorder.last.dropped)
    try:
        recorder.begin()
    except Exception as error:
        print(error)
"""


def test_a_full_disk_ends_the_episode_whole_and_the_loop_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=8m none {disk} && {sys.executable} {script} {disk} {TESTS}"
    copy = f"{mount} && cp {disk}/*.mcap {tmp_path}"
    ran = subprocess.run(["unshare", "-rm", "sh", "-c", copy], check=False, capture_output=True, text=True)
    if "unshare:" in ran.stderr or "permission denied" in ran.stderr:
        pytest.skip(f"no tmpfs of our own here: {ran.stderr}")
    assert ran.returncode == 0, ran.stderr
    error, reason, refusal = ran.stdout.splitlines()
    assert error == f"episode 0 is cut short: cannot write to {disk}: No space left on device"
    assert "make room first" in refusal
    (episode,) = load_dataset(tmp_path)
    assert episode.outcome == "unlabelled"
    assert episode.end == End("unlabelled", "fault", len(episode), 1500 - len(episode), "disk full")
    assert reason == f"disk full {episode.end.dropped}"
    assert verify(episode.path) == []
    same_ticks(episode, ticks(1500)[: len(episode)])
    assert len(episode) > 300


def test_a_recorder_runs_at_the_priority_asked_for_and_never_above_its_parent(tmp_path: Path) -> None:
    with Recorder(tmp_path, replace(SPEC), nice=7, room=0) as one:
        one.begin()
        feed(one, ticks(2))
        assert one.wait()
        assert os.getpriority(os.PRIO_PROCESS, one.process) == max(7, os.getpriority(os.PRIO_PROCESS, 0))


def test_a_recorder_that_dies_after_the_disk_was_full_makes_no_success_of_the_rest(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, ticks(5))
        assert one.wait()
        one._hear(EpisodeFailed(0, "cannot write"))
        kill(one)
        one.end("success")
        assert one.wait()
        assert one.last is not None
        assert (one.last.outcome, one.last.ticks) == ("unlabelled", 5)


def test_what_a_recorder_said_can_be_read_after_it_was_closed(tmp_path: Path) -> None:
    with recorder(tmp_path) as one:
        one.begin()
        feed(one, ticks(5))
    assert (one.status.ticks, one.status.error) == (5, "")


@pytest.mark.parametrize(
    ("place", "what"), [("file", "File exists"), ("file/folder", "Not a directory"), ("/proc/nope", "No such file")]
)
def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path, place: str, what: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EpisodeError, match=f"cannot record into {tmp_path / place}: {what}"),
        recorder(tmp_path / place),
    ):
        pass


def test_a_recorder_that_finds_no_place_for_its_socket_lets_go_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leash_robot.robot.host.child._places", lambda: iter(["/proc/nope"]))
    with pytest.raises(RobotError, match="no folder for sockets"), recorder(tmp_path):
        pass
    monkeypatch.undo()
    with recorder(tmp_path):
        pass


def test_a_folder_that_vanished_begins_no_episode(tmp_path: Path) -> None:
    with recorder(tmp_path / "folder") as one:
        shutil.rmtree(tmp_path / "folder")
        with pytest.raises(EpisodeError, match="No such file"):
            one.begin()


def test_facts_that_are_no_text_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with (
        pytest.raises(EpisodeError, match=r"task 'a\\udcff' is not UTF-8 text"),
        Recorder(tmp_path / "folder", SPEC, info={"task": os.fsdecode(b"a\xff")}),
    ):
        pass
    assert not (tmp_path / "folder").exists()
    with recorder(tmp_path) as one, pytest.raises(EpisodeError, match="who"):
        one.begin({"who": os.fsdecode(b"\xff")})
