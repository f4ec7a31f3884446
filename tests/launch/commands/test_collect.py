"""`leash collect`: from a person's keys, or a script, to episodes in a folder."""

import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leash_robot.launch.commands.collect import Collect, main
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.reporting.screen import keys, lines
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.errors import LeashError, OperatorError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Source, Tick
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.scripted_operator import Scripted
from leash_robot.teleop.session.episodes import SessionStatus
from leash_robot.teleop.session.files import outcomes
from leash_robot.teleop.session.states import SessionState
from support.recording.recordings import record

SPEC = load_spec()


def collected(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    args = [str(folder), "--robot", "sim", "--operator", "scripted", "--json", *options]
    assert main(args) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_scripted_operator_fills_a_folder_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = collected(tmp_path, capsys, "--episodes", "2", "--seconds", "2")
    assert (first["episodes"], first["success"], first["missed"]) == (2, 2, 0)
    more = collected(tmp_path, capsys, "--episodes", "3", "--seconds", "2")
    assert (more["episodes"], more["success"]) == (3, 3)
    episodes = [read_episode(path) for path in sorted(tmp_path.glob("*.mcap"))]
    assert [episode.outcome for episode in episodes] == ["success"] * 3
    assert [len(episode) for episode in episodes] == pytest.approx([40] * 3, abs=3)
    assert not np.array_equal(episodes[0].wanted.command[:30], episodes[2].wanted.command[:30])
    assert collected(tmp_path, capsys, "--episodes", "3")["episodes"] == 3


def test_a_full_folder_is_named_at_once_and_nothing_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, 3, index=0)
    record(tmp_path, 3, index=1)
    assert main([str(tmp_path), "--robot", "sim", "--operator", "browser", "--episodes", "2", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"{tmp_path} holds 2 of 2 episodes; --episodes 4 for 2 more"]
    assert json.loads(said.out) == {"folder": str(tmp_path), "episodes": 2, "success": 2, "losses": []}


def test_damaged_episodes_do_not_count(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "absent").total() == 0
    (tmp_path / "episode_000000.mcap").write_bytes(b"no episode")
    assert outcomes(tmp_path).total() == 0


class Person:
    """Somebody at a terminal in which `leash collect` runs."""

    def __init__(self, folder: Path, *options: str) -> None:
        code = "import sys; from leash_robot.launch.cli import main; sys.exit(main())"
        args = ["collect", str(folder), "--robot", "sim", "--operator", "keyboard", "--json", *options]
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-c", code, *args], {**os.environ, "TERM": "xterm"})
        self.seen = b""

    def sees(self, awaited: bytes) -> None:
        """Wait until something is on the screen; what came before is forgotten."""
        deadline = time.monotonic() + 60
        while awaited not in self.seen:
            assert select.select([self._fd], [], [], deadline - time.monotonic())[0], self.seen
            self.seen += os.read(self._fd, 4096)
        self.seen = self.seen.partition(awaited)[2]

    def presses(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def leaves(self) -> tuple[int, bytes]:
        """Exit code, and everything that was on the screen since."""
        while True:
            try:
                self.seen += os.read(self._fd, 4096)
            except OSError:
                break
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.seen


def test_a_person_drives_labels_changes_their_mind_and_quits(tmp_path: Path) -> None:
    person = Person(tmp_path, "--episodes", "5")
    person.sees(b"ready")
    person.presses(b"\r")
    person.sees(b"REC")
    for _ in range(3):
        person.presses(b"w")
        person.sees(b"driving")
    person.presses(b"mit_slipped\ry")
    person.sees(b"success, 30 s to change")
    person.presses(b"u")
    person.sees(b"unlabelled")
    person.presses(b"n")
    person.sees(b"failure")
    person.presses(b"\x04")
    code, seen = person.leaves()
    assert code == 0
    assert json.loads(seen[seen.index(b"{") :])["failure"] == 1
    episode = read_episode(tmp_path / "episode_000000.mcap")
    assert episode.outcome == "failure"
    note = json.loads((tmp_path / "notes.jsonl").read_text())
    assert (note["episode"], note["text"]) == (0, "it slipped")
    assert 0 < note["seconds"] <= episode.seconds
    assert np.nanmax(episode.wanted.command[:, 0]) > 0


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm", "hangup"])
def test_an_episode_is_closed_however_the_session_ends(tmp_path: Path, how: str) -> None:
    person = Person(tmp_path)
    person.sees(b"ready")
    person.presses(b"\r")
    person.sees(b"REC")
    person.sees(b"REC")
    ends: dict[str, Callable[[], None]] = {
        "ctrl-c": lambda: person.presses(b"\x03"),
        "sigterm": lambda: os.kill(person.pid, signal.SIGTERM),
        "hangup": lambda: os.kill(person.pid, signal.SIGHUP),
    }
    ends[how]()
    codes = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM, "hangup": signal.SIGHUP}
    assert person.leaves()[0] == 128 + codes[how]
    episode = read_episode(tmp_path / "episode_000000.mcap")
    assert episode.end is not None
    details = {"ctrl-c": "Ctrl-C", "sigterm": "SIGTERM", "hangup": "SIGHUP"}
    assert (episode.outcome, episode.end.reason, episode.end.detail) == ("unlabelled", "interrupted", details[how])


def tick_of(wanted: Source, sent: Source) -> Tick:
    with FakeRobot(SPEC) as robot:
        return Tick(robot.observe(), Action(SPEC.stand, source=wanted), Action(SPEC.stand, source=sent))


def test_operators_are_made_by_name() -> None:
    assert isinstance(make_operator(OperatorOptions(("scripted",)), 1, 2.0, 0), Scripted)
    assert isinstance(make_operator(OperatorOptions(("scripted", "gamepad")), 1, 2.0, 0), Attention)
    assert OperatorOptions(("scripted",)).clock is None
    assert isinstance(OperatorOptions(("scripted", "gamepad")).clock, MonotonicClock)
    with pytest.raises(OperatorError, match="nobody drives"):
        make_operator(OperatorOptions(()), 1, 2.0, 0)


def test_without_a_terminal_the_keyboard_is_refused_before_the_robot_moves(tmp_path: Path) -> None:
    with pytest.raises(LeashError, match="needs a terminal|redirected"):
        main([str(tmp_path), "--robot", "sim", "--operator", "keyboard"])


@pytest.mark.parametrize(
    ("state", "sent", "word"),
    [
        (SessionState.RECORDING, "human", "● REC  episode 5/10"),
        (SessionState.IDLE, "hold", "ready  episode 4/10"),
        (SessionState.IDLE, "safety", "ROBOT STOPPED"),
        (SessionState.STOPPED, "hold", "success, 12 s to change"),
        (SessionState.DONE, "policy", "policy"),
    ],
)
def test_the_lines_say_what_matters(state: SessionState, sent: Source, word: str) -> None:
    status = SessionStatus(state, 4, 2.5, "success", {"success": 4, "discarded": 2}, 12.0, ("a gap of 300 ms",))
    tick = tick_of("human", sent)
    tick = replace(tick, obs=replace(tick.obs, images={"head": Image.blank(tick.obs.time - 0.05, 16, 16)}))
    text = lines(status, tick, 10, 0.003, width=200).plain
    assert word in text
    assert "late 3.0 ms" in text
    assert "head 50 ms" in text
    assert "a gap of 300 ms" in text
    assert max(map(len, lines(status, tick, 10, 0.003, width=40).plain.splitlines())) == 40


def test_the_table_of_keys_has_a_row_for_every_two() -> None:
    assert keys("keys", [("a", "one"), ("b", "two"), ("c", "three")]).row_count == 2


def test_the_defaults_are_a_person_on_the_twin() -> None:
    config = Collect(Path("data"))
    assert (config.robot.robot, config.who.operator, config.who.live) == ("twin", ("keyboard",), True)
