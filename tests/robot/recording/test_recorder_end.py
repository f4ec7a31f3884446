"""The end of a recording session: what is not yet on the disk is waited for, or finished by the recorder alone."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import zmq

from leash_robot.robot.dataset import folder as episode_folder
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.folder import locked
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.host.child import socket_folder
from leash_robot.robot.recording import recorder as recorder_module
from leash_robot.robot.recording import supervisor as recorder_link
from leash_robot.robot.recording import worker as recorder_process
from leash_robot.robot.recording.messages import NoteMessage, Quit, RecorderSetup, decode_reply, encode
from leash_robot.robot.recording.recorder import Recorder
from support.paths import TESTS
from support.recording.episodes import same_ticks
from support.recording.recorders import feed, kill, until
from support.recording.recordings import fill, small_spec, start, ticks

SPEC = small_spec()


@contextlib.contextmanager
def standing_still(process: int) -> Iterator[None]:
    """A recorder process that is stopped, as if in a write that takes long; it goes on afterwards in any case."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def recording(folder: Path, said: list[str]) -> Recorder:
    return Recorder(folder, SPEC, room=1 << 20, report=said.append)


def test_a_session_waits_for_a_recorder_that_is_slow_and_says_what_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SAY", (0.1, 0.1))
    monkeypatch.setattr(recorder_module, "PATIENCE", 0.1)
    said: list[str] = []
    with recording(tmp_path, said) as one:
        one.begin()
        feed(one, ticks(40))
        os.kill(one.process, signal.SIGSTOP)
        one.end("success", "success")
        process = one.process

        def wake() -> None:
            until(lambda: len(said) > 1)
            os.kill(process, signal.SIGCONT)

        waker = threading.Thread(target=wake, daemon=True)
        waker.start()
    waker.join(20)
    assert f"waiting for the recorder (process {process}): " in said[0]
    assert "MB to go; it is stopped, `kill -CONT" in said[0]
    episode = read_episode(tmp_path / "episode_000000.mcap")
    same_ticks(episode, ticks(40))
    assert episode.outcome == "success"


def interrupt(*_: object) -> bool:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_a_slow_recorder_to_finish_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "settle", interrupt)
    said: list[str] = []
    with (
        pytest.raises(EpisodeError, match=r"\(process \d+\) finishes \d+ ticks, .* MB by itself; see `leash data list"),
        recording(tmp_path, said) as one,
    ):
        one.begin()
        feed(one, ticks(20))
        assert one.wait()
        feed(one, ticks(40)[20:])
        one.end("success", "success")
    (line,) = said
    assert "is not waited for" in line
    path = tmp_path / "episode_000000.mcap"
    until(path.exists)
    same_ticks(read_episode(path), ticks(40))
    assert read_episode(path).outcome == "success"


def test_a_recorder_that_is_stopped_when_its_session_leaves_writes_what_it_has_taken_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "settle", interrupt)
    monkeypatch.setattr(recorder_link, "LINGER", 0.2)
    with (
        pytest.raises(EpisodeError, match=r"to go; `kill -CONT \d+` lets it finish what it has taken"),
        contextlib.ExitStack() as stack,
        recording(tmp_path, []) as one,
    ):
        one.begin()
        feed(one, ticks(20))
        assert one.wait()
        stack.enter_context(standing_still(one.process))
        feed(one, ticks(400, begin=200.0))
        one.end("success", "success")
    path = tmp_path / "episode_000000.mcap"
    until(path.exists)
    assert len(read_episode(path)) >= 20
    until(lambda: one._link._process.poll() is not None)


def test_what_cannot_be_finished_by_anybody_is_called_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "settle", interrupt)
    with (
        pytest.raises(EpisodeError, match=r"40 ticks, .* are lost: the recorder was killed"),
        recording(tmp_path, []) as one,
    ):
        one.begin()
        kill(one)
        feed(one, ticks(40))


CONTROL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.recording.recordings import small_spec, ticks
from leash_robot.robot.recording.recorder import Recorder
with Recorder(Path(sys.argv[1]), small_spec(), room=0) as recorder:
    recorder.begin()
    for number, tick in enumerate(ticks(200)):
        recorder.add(tick)
        if number == 0:
            recorder.wait()
    recorder.end("success", "success", "well done")
    os.kill(recorder.process, signal.SIGSTOP)
    print(recorder.process, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_recorder_outlives_the_program_until_all_it_was_given_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", CONTROL, str(tmp_path), str(TESTS)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    process = int(ran.stdout)
    with standing_still(process):
        monkeypatch.setattr(episode_folder, "PATIENCE", 0.1)
        with pytest.raises(EpisodeError, match="another recorder is writing"), locked(tmp_path):
            pass
    monkeypatch.undo()
    path = tmp_path / "episode_000000.mcap"
    until(lambda: path.exists() or not Path(f"/proc/{process}").exists())
    episode = read_episode(path)
    assert episode.end is not None
    assert len(episode) > 1
    assert len(episode) == 200 or episode.end.reason == "interrupted"


def test_a_folder_in_which_an_orphaned_recorder_still_writes_says_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_folder, "PATIENCE", 0.1)
    with locked(tmp_path):
        episode_folder.name_finisher(tmp_path)
        with (
            pytest.raises(EpisodeError, match=rf"last session's recorder \(process {os.getpid()}\) .*; wait until"),
            locked(tmp_path),
        ):
            pass


def test_a_backlog_is_written_in_parts_that_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_link, "ENDING", 20.0)
    with recording(tmp_path, []) as one:
        one.begin()
        feed(one, ticks(5))
        assert one.wait()
        with standing_still(one.process):
            feed(one, [tick for seed in range(10) for tick in ticks(200, seed=seed, begin=200.0 + 20 * seed)])
        path = tmp_path / "episode_000000.mcap.partial"
        until(lambda: len(read_episode(path)) > 5)
        kill(one)
        kept = len(read_episode(path))
    assert kept > 5
    assert len(read_episode(tmp_path / "episode_000000.mcap")) == 2005


def test_no_tick_waits_for_a_recorder_that_is_started_again_with_a_full_backlog(tmp_path: Path) -> None:
    made = ticks(20)
    with recording(tmp_path, []) as one:
        one.begin()
        feed(one, made[:1])
        assert one.wait()
        with standing_still(one.process):
            while one._link._size < 16 << 20:
                feed(one, made)
            kill(one)
        time.sleep(recorder_link.RESTART_AFTER)
        taken = [_time_of_add(one, made[0]) for _ in range(60)]
        assert one.status.restarts == 1
    # Note: the median of the ticks in which the backlog is sent; single ones may be late on a busy machine.
    assert sorted(taken)[30] < 0.02


def _time_of_add(one: Recorder, tick: object) -> float:
    begun = time.thread_time()
    one.add(tick)  # type: ignore[arg-type]
    taken = time.thread_time() - begun
    time.sleep(0.005)
    return taken


def test_a_session_that_ends_while_its_recorder_is_started_again_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_link, "RESTART_AFTER", 0.0)
    with recording(tmp_path, []) as one:
        kill(one)
        assert one.status.restarts == 1
    assert one._link._process.returncode == 0


def test_a_process_that_cannot_be_started_again_is_one_more_that_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(recorder_link, "RESTART_AFTER", 0.01)
    with recording(tmp_path, []) as one:
        one.begin()
        feed(one, ticks(5))
        kill(one)
        with monkeypatch.context() as broken:
            broken.setattr(subprocess, "Popen", refuse)
            until(lambda: "no more processes" in one.status.error)
        assert one.wait(30.0)
        assert one.status.error == ""
        one.end("success", "success")
    same_ticks(read_episode(tmp_path / "episode_000000.mcap"), ticks(5))


def test_a_process_that_has_nothing_left_to_do_and_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_link, "PROGRAM", "import time; time.sleep(60)")
    monkeypatch.setattr(recorder_link, "ENDING", 0.1)
    with recording(tmp_path, []) as one:
        pass
    assert one._link._process.returncode == -signal.SIGKILL


def test_an_episode_of_which_no_tick_could_be_recorded_is_called_missing(tmp_path: Path) -> None:
    with recording(tmp_path, []) as one:
        one.begin()
        feed(one, ticks(2, begin=float("nan")))
        one.end("success", "success")
    assert one.missing == {0: "episode 0 has no file: none of its ticks could be recorded"}
    assert not list(tmp_path.glob("episode_*"))


def test_a_recorder_waits_for_a_session_that_is_not_there_yet_before_it_speaks(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode_000000.mcap", start())
    fill(writer, ticks(4))
    writer.flush()
    writer.close()
    setup = msgspec.json.encode(RecorderSetup(str(tmp_path), SPEC, "", {}, 0, tidy=True)).decode()
    with socket_folder("leash-test-") as folder, ThreadPoolExecutor(1) as threads, zmq.Context() as context:
        serving = threads.submit(recorder_process.main, f"{folder}/1", os.getppid(), setup)
        until((tmp_path / "episode_000000.mcap").exists)
        time.sleep(3 * recorder_process.POLL)
        with context.socket(zmq.DEALER) as socket:
            socket.connect(f"ipc://{folder}/1")
            assert socket.poll(20_000)
            assert isinstance(decode_reply(socket.recv()), NoteMessage)
            socket.send(encode(Quit()))
            serving.result(20)
