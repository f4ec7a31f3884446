"""What a session tells its page, and how the page is opened."""

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import PolicyHandle
from leash_robot.launch.composition.robots import Opened
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.errors import OperatorError
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.loop import run
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Tick
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.takeover import TakeoverStatus
from leash_robot.teleop.operator import Event
from leash_robot.teleop.scripted_operator import Scripted, Segment
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.panel import Panel
from leash_robot.teleop.session.recording_session import RecordingSession, open_recording

SPEC = load_spec()


class Nowhere:
    """A recorder that keeps nothing."""

    cut_short: Mapping[int, str] = {}
    missing: Mapping[int, str] = {}

    def begin(self) -> int:
        return 0

    def add(self, tick: Tick) -> None:
        pass

    def end(self, outcome: Outcome = "unlabelled", reason: str = "stopped", detail: str = "") -> None:
        pass


@pytest.fixture
def session() -> RecordingSession:
    opened = Opened(FakeRobot(SPEC), SPEC, load_plan("sim"), Calibration.identity(SPEC))
    drive = Drive(Scripted([Segment(1.0, events=(Event.ESTOP,))]), Stand(SPEC))
    episodes = EpisodeStateMachine(Nowhere(), lambda index, outcome: None, lambda: drive.intent, counts={"success": 2})
    return RecordingSession(opened, drive, drive, episodes, Lateness(SPEC.period), 5, live=True, name="trot")


def test_a_session_without_a_policy_to_take_over_from_says_so(session: RecordingSession) -> None:
    status = Panel(session).status()
    assert (status.state, status.kept, status.enough, status.policy) == ("idle", 2, 5, "trot")
    assert (status.shared, status.taken, status.request) == (False, False, "")
    assert math.isnan(status.policy_time)
    assert status.warnings == ()


def test_a_takeover_is_told_and_so_is_a_call_for_help(session: RecordingSession) -> None:
    now = TakeoverStatus("human", takeover_id=3, taken=True, reason="risk", request="the policy is unsure")
    status = Panel(session, lambda: now).status()
    assert (status.shared, status.takeover, status.taken) == (True, 3, True)
    assert (status.reason, status.request) == ("risk", "the policy is unsure")


def test_a_stop_for_a_silent_page_says_what_to_do(session: RecordingSession) -> None:
    session.drive = Drive(Scripted([Segment(1.0, vx=0.2), Segment(9.0, vx=0.2, alive=False)]), Stand(SPEC))
    with FakeRobot(SPEC) as robot:
        run(robot, session.drive, NoLog(), done=lambda _: session.drive.stopped)
    status = Panel(session).status()
    assert status.stopped
    assert "nobody was heard" in status.warnings[0] and "re-arm" in status.warnings[0]
    assert status.warnings[0] in session.status.warnings


def test_the_cause_of_a_stop_is_told_and_stops_are_counted_once(session: RecordingSession) -> None:
    panel = Panel(session)
    with FakeRobot(SPEC) as robot:
        run(robot, session.drive, NoLog(), done=lambda _: session.drive.stopped)
    assert [panel.status().stops for _ in range(3)] == [1, 1, 1]
    assert panel.status().cause == "somebody pressed STOP"
    session.drive.rearm()
    session.drive.reset()
    assert (panel.status().cause, panel.status().stopped) == ("", False)
    session.drive.stop()
    assert (panel.status().cause, panel.status().stops) == ("the policy asked for a stop", 2)


def test_going_back_to_the_start_of_a_track_is_no_stop(session: RecordingSession) -> None:
    panel = Panel(session)
    session.drive.stop()
    session.drive.rearm()
    assert panel.status().stops == 0


def test_trouble_with_the_disk_is_told(session: RecordingSession, tmp_path: Path) -> None:
    with open_recording(Recorder(tmp_path, SPEC, room=1 << 60), lambda line: None) as recording:
        session.recording = recording
        session.episodes = EpisodeStateMachine(
            recording.recorder, lambda index, outcome: None, lambda: session.drive.intent
        )
        with FakeRobot(SPEC) as robot:
            session.drive = Drive(Scripted([Segment(0.0, events=(Event.START,))]), Stand(SPEC))
            obs = robot.observe()
            session.episodes.add(Tick(obs, wanted := session.drive.act(obs), wanted))
            later = replace(obs, time=obs.time + 1.0)
            session.episodes.add(Tick(later, wanted := session.drive.act(later), wanted))
        (warning,) = Panel(session).status().warnings
    assert "make room first" in warning


def test_a_policy_in_this_process_has_no_server_that_answers() -> None:
    assert all(math.isnan(value) for value in PolicyHandle(Stand(SPEC)).answering)


def test_a_page_is_only_opened_for_the_browser(tmp_path: Path) -> None:
    with open_cockpit(OperatorOptions(operator=("scripted",)), tmp_path) as cockpit:
        assert cockpit is None


def test_the_address_is_told_with_its_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    who = OperatorOptions(operator=("browser",), page_port=0)
    with open_cockpit(who, tmp_path) as cockpit:
        assert cockpit is not None
        assert f"open {cockpit.url}" in capsys.readouterr().err
        assert isinstance(make_operator(who, 1, 1.0, 0, cockpit), Attention)


def test_a_command_without_a_page_names_another_way() -> None:
    with pytest.raises(OperatorError, match="use another --operator"):
        make_operator(OperatorOptions(operator=("browser",)), 1, 1.0, 0)


def test_keys_in_conflict_are_refused_before_anything_starts(tmp_path: Path) -> None:
    who = OperatorOptions(operator=("browser",), keys=("stop=w",), page_port=0)
    with pytest.raises(OperatorError, match="'w' is given to both"), open_cockpit(who, tmp_path):
        pass


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(OperatorError, match=r"pip install 'leash-robot\[teleop\]'"),
        open_cockpit(OperatorOptions(operator=("browser",)), tmp_path),
    ):
        pass
