"""`leash collect`: from a person's keys, or a script, to episodes in a folder."""

import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leash_robot.launch.commands.collect import Collect, main
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.reporting.screen import keys, lines
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.errors import LeashError, OperatorError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Source, Tick
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.scripted_operator import Scripted, Segment
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionStatus
from leash_robot.teleop.session.files import outcomes
from leash_robot.teleop.session.recording_session import REFUSED, RecordingSession
from leash_robot.teleop.session.states import SessionState
from support.recordings import record

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


class Umpire:
    """A simulator that says whether the robot fell."""

    def __init__(self) -> None:
        self.fallen = False
        self.placed = 0

    def truth(self) -> GroundTruth:
        height = 0.0 if self.fallen else 0.15
        zeros = np.zeros(3)
        down = np.array([0.0, 0.0, -1.0])
        return GroundTruth(0.0, np.array([0.0, 0.0, height]), zeros, zeros, down, np.ones(4, dtype=bool))

    def place(self) -> None:
        self.placed += 1
        self.fallen = False


class Nowhere:
    """A recorder that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.cut_short: dict[int, str] = {}
        self.missing: dict[int, str] = {}

    def begin(self) -> int:
        self.count += 1
        return self.count - 1

    def add(self, tick: Tick) -> None:
        return None

    def end(self, outcome: str = "unlabelled", reason: str = "stopped", detail: str = "") -> None:
        return None


def session_of(
    *, live: bool, simulator: Umpire | None = None, enough: int = 3, script: Sequence[Segment] = ()
) -> RecordingSession:
    opened = Opened(FakeRobot(SPEC), SPEC, load_plan("sim"), Calibration.identity(SPEC), simulator)
    drive = Drive(Scripted(script), Stand(SPEC))
    episodes = EpisodeStateMachine(Nowhere(), lambda index, outcome: None, lambda: drive.intent)
    return RecordingSession(opened, drive, drive, episodes, Lateness(SPEC.period), enough, live)


def tick_of(wanted: Source, sent: Source) -> Tick:
    with FakeRobot(SPEC) as robot:
        return Tick(robot.observe(), Action(SPEC.stand, source=wanted), Action(SPEC.stand, source=sent))


def test_a_late_answer_of_the_gate_is_forgiven_but_not_a_refusal() -> None:
    made = session_of(live=True)
    late, good = tick_of("human", "safety"), tick_of("human", "human")
    for tick in [late] * (REFUSED - 1) + [good] + [late] * (REFUSED - 1):
        assert not made.over(tick)
        assert not made.drive.stopped
    assert not made.over(late)
    assert made.drive.stopped


def test_a_policy_that_asks_for_a_stop_is_stopped_at_once() -> None:
    made = session_of(live=True)
    made.over(tick_of("safety", "safety"))
    assert made.drive.stopped


def test_a_robot_that_fell_waits_for_a_person_if_there_is_one() -> None:
    umpire = Umpire()
    made = session_of(live=True, simulator=umpire)
    umpire.fallen = True
    assert made.cause() == "the robot fell over"
    assert not made.over(tick_of("human", "human"))
    assert made.drive.stopped
    made.drive.rearm()
    assert made.over(tick_of("safety", "safety"))
    made.ready()
    assert umpire.placed == 1


def test_a_simulated_robot_that_a_script_drives_is_stood_up_at_once() -> None:
    umpire = Umpire()
    made = session_of(live=False, simulator=umpire)
    umpire.fallen = True
    assert made.over(tick_of("human", "human"))
    made.ready()
    assert (umpire.placed, umpire.fallen) == (1, False)


def test_re_arming_gives_the_gate_a_persons_consent() -> None:
    consents: list[int] = []
    made = session_of(live=True)
    assert isinstance(made.opened, Opened)
    made.opened = replace(made.opened, rearm=lambda: consents.append(1))
    made.ready()
    assert consents == []
    made.drive.stop()
    made.drive.rearm()
    made.ready()
    assert consents == [1]


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
