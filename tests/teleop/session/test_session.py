"""The recording session: a state machine between a person's events and the recorder."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.metadata import Outcome, Reason
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import Action, Observation, Source, Tick, unknown
from leash_robot.teleop.operator import Event, Intent
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionConfig, SessionStatus
from leash_robot.teleop.session.quality import Bounds, Quality, QualityMonitor
from leash_robot.teleop.session.states import LABELS, TRANSITIONS, Effect, SessionState, Timer

PERIOD = 0.05


def tick_at(
    time: float, source: Source = "human", shift: float = 0.0, age: float = 0.0, taken: float = math.nan
) -> Tick:
    images = {} if math.isnan(taken) else {"head": Image.blank(taken, 16, 16)}
    zeros = np.zeros(2)
    obs = Observation(time, 0.0, zeros, zeros, zeros, unknown(3), unknown(3), unknown(3), images, age)
    return Tick(obs, Action(zeros, source=source), Action(zeros + shift, source=source))


class Folder:
    """A recorder that keeps episodes in memory, and complains about a wrong order of calls."""

    def __init__(self) -> None:
        self.episodes: list[tuple[list[float], Outcome | None]] = []
        self.running = False
        self.full = False
        self.cut_short: dict[int, str] = {}
        self.missing: dict[int, str] = {}
        self.reasons: list[tuple[Reason, str]] = []

    def begin(self) -> int:
        assert not self.running
        if self.full:
            raise EpisodeError("3 MB are left on the disk, 100 MB are needed; make room")
        self.running = True
        self.episodes.append(([], None))
        return len(self.episodes) - 1

    def add(self, tick: Tick) -> None:
        assert self.running
        self.episodes[-1][0].append(tick.obs.time)

    def end(self, outcome: Outcome = "unlabelled", reason: Reason = "stopped", detail: str = "") -> None:
        assert self.running
        self.running = False
        self.episodes[-1] = (self.episodes[-1][0], outcome)
        self.reasons.append((reason, detail))
        if not self.episodes[-1][0]:
            self.episodes.pop()

    def relabel(self, index: int, outcome: Outcome) -> None:
        times, before = self.episodes[index]
        assert before is not None
        self.episodes[index] = (times, outcome)

    @property
    def outcomes(self) -> list[Outcome | None]:
        return [outcome for _, outcome in self.episodes]


class Desk:
    """A session, its folder, and a person who presses things."""

    def __init__(self, config: SessionConfig | None = None, counts: dict[Outcome, int] | None = None) -> None:
        self.folder = Folder()
        self.now = 100.0
        self.intent = Intent(0.0)
        self.session = EpisodeStateMachine(
            self.folder, self.folder.relabel, lambda: self.intent, config, counts, cause=lambda: "the gate stopped it"
        )

    def press(self, *events: Event, note: str = "", source: Source = "human") -> SessionStatus:
        self.intent = Intent(self.now, events=events, note=note)
        self.session.add(tick_at(self.now, source))
        self.intent = Intent(self.now)
        self.now += PERIOD
        return self.session.status

    def wait(self, seconds: float) -> SessionStatus:
        for _ in range(round(seconds / PERIOD)):
            self.press()
        return self.session.status


def test_ticks_between_start_and_stop_make_an_episode() -> None:
    desk = Desk()
    desk.wait(1.0)
    desk.press(Event.START)
    desk.wait(2.0)
    status = desk.press(Event.STOP)
    desk.wait(1.0)
    assert [len(times) for times, _ in desk.folder.episodes] == [41]
    assert (status.state, status.outcome, status.index, status.kept) == (SessionState.STOPPED, "unlabelled", 0, 1)
    assert status.seconds == pytest.approx(2.0)


@pytest.mark.parametrize("event", list(LABELS))
def test_a_judgement_ends_and_labels_the_episode_in_one_press(event: Event) -> None:
    desk = Desk()
    desk.press(Event.START)
    status = desk.press(event)
    assert desk.folder.outcomes == [LABELS[event]]
    assert dict(status.counts) == {LABELS[event]: 1}
    assert status.kept == (event is not Event.DISCARD)


@pytest.mark.parametrize("event", [Event.STOP, Event.ESTOP, Event.QUIT])
def test_an_end_that_is_no_judgement_leaves_the_episode_unlabelled(event: Event) -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(event)
    assert desk.folder.outcomes == ["unlabelled"]


def test_a_stopped_episode_can_be_judged_afterwards_and_judged_anew() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.STOP)
    assert desk.press(Event.SUCCESS).outcome == "success"
    status = desk.press(Event.FAIL)
    assert desk.folder.outcomes == ["failure"]
    assert {key: count for key, count in status.counts.items() if count} == {"failure": 1}


def test_undo_takes_judgements_back_one_by_one() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.SUCCESS)
    desk.press(Event.DISCARD)
    assert desk.press(Event.UNDO).outcome == "success"
    assert desk.press(Event.UNDO).outcome == "unlabelled"
    assert desk.press(Event.UNDO).outcome == "unlabelled"
    assert desk.folder.outcomes == ["unlabelled"]


def test_undo_reaches_the_last_episode_while_the_next_is_recorded() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.SUCCESS)
    desk.press(Event.START)
    status = desk.press(Event.UNDO)
    assert (status.state, desk.folder.outcomes) == (SessionState.RECORDING, ["unlabelled", None])


def test_a_label_is_final_after_half_a_minute() -> None:
    desk = Desk()
    desk.press(Event.START)
    assert desk.press(Event.SUCCESS).undo_left == pytest.approx(30.0)
    assert desk.wait(29.0).undo_left == pytest.approx(1.0)
    assert desk.wait(1.5).state is SessionState.IDLE
    desk.press(Event.UNDO)
    assert desk.press(Event.FAIL).state is SessionState.IDLE
    assert desk.folder.outcomes == ["success"]


def test_undo_comes_too_late_for_an_old_episode_while_the_next_is_recorded() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.SUCCESS)
    desk.press(Event.START)
    desk.wait(31.0)
    desk.press(Event.UNDO)
    assert desk.folder.outcomes == ["success", None]


def test_an_episode_ends_by_itself_when_it_is_as_long_as_it_may_be() -> None:
    desk = Desk(SessionConfig(longest=1.99))
    desk.press(Event.START)
    status = desk.wait(3.0)
    assert (status.state, len(desk.folder.episodes[0][0])) == (SessionState.STOPPED, 41)
    assert desk.folder.outcomes == ["unlabelled"]


def test_a_robot_that_was_stopped_ends_the_episode_with_the_tick_that_says_so() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(1.0)
    assert desk.press(source="safety").state is SessionState.STOPPED
    assert len(desk.folder.episodes[0][0]) == 22


def test_no_episode_begins_on_a_stopped_robot() -> None:
    desk = Desk()
    status = desk.press(Event.START, source="safety")
    assert (status.state, desk.folder.episodes) == (SessionState.IDLE, [])
    assert "re-arm" in status.warnings[0]


def test_a_full_disk_begins_no_episode_and_says_why() -> None:
    desk = Desk()
    desk.folder.full = True
    status = desk.press(Event.START)
    assert status.state is SessionState.IDLE
    assert "make room" in status.warnings[0]
    assert desk.session.refusals == list(status.warnings)
    desk.folder.full = False
    assert desk.press(Event.START).warnings == ()


CUT = "episode 0 is cut short: No space left on device"


@pytest.mark.parametrize("event", [Event.SUCCESS, Event.FAIL])
def test_an_episode_that_the_disk_cuts_short_ends_at_once_and_is_neither_success_nor_failure(event: Event) -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(2.0)
    desk.folder.cut_short[0] = CUT
    status = desk.press()
    assert (status.state, status.warnings) == (SessionState.STOPPED, (CUT,))
    assert desk.press(event).outcome == "unlabelled"
    assert desk.folder.outcomes == ["unlabelled"]
    assert desk.press(Event.DISCARD).outcome == "discarded"
    assert desk.press(Event.UNDO).outcome == "unlabelled"


@pytest.mark.parametrize(("event", "outcome"), [(Event.SUCCESS, "unlabelled"), (Event.DISCARD, "discarded")])
def test_a_judgement_at_the_tick_of_the_cut_counts_only_if_it_discards(event: Event, outcome: Outcome) -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.folder.cut_short[0] = CUT
    status = desk.press(event)
    assert (status.outcome, desk.folder.outcomes, dict(status.counts)) == (outcome, [outcome], {outcome: 1})


@pytest.mark.parametrize(("event", "outcome"), [(Event.SUCCESS, "unlabelled"), (Event.DISCARD, "discarded")])
def test_a_label_is_taken_back_when_the_disk_fails_at_the_very_end(event: Event, outcome: Outcome) -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(2.0)
    desk.press(event)
    desk.folder.cut_short[0] = CUT
    status = desk.session.status
    assert (status.outcome, status.warnings[0]) == (outcome, CUT)
    assert {key: count for key, count in status.counts.items() if count} == {outcome: 1}


def test_a_second_thought_is_taken_back_on_the_disk_too_when_the_disk_fails_at_the_very_end() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(1.0)
    desk.press(Event.STOP)
    desk.press(Event.SUCCESS)
    assert desk.folder.outcomes == ["success"]
    desk.folder.cut_short[0] = CUT
    assert desk.session.status.outcome == "unlabelled"
    assert desk.folder.outcomes == ["unlabelled"]


def test_undoing_a_discard_brings_back_no_success_that_the_disk_has_taken() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(1.0)
    desk.press(Event.SUCCESS)
    desk.press(Event.DISCARD)
    desk.folder.cut_short[0] = CUT
    assert desk.press().outcome == "discarded"
    assert desk.press(Event.UNDO).outcome == "unlabelled"
    assert desk.folder.outcomes == ["unlabelled"]


def test_leaving_the_session_closes_the_running_episode() -> None:
    desk = Desk()
    with pytest.raises(KeyboardInterrupt), desk.session:
        desk.press(Event.START)
        desk.wait(1.0)
        raise KeyboardInterrupt
    assert desk.folder.outcomes == ["unlabelled"]
    assert desk.session.status.state is SessionState.DONE


def test_nothing_happens_after_the_end() -> None:
    desk = Desk()
    desk.press(Event.QUIT)
    desk.press(Event.START)
    assert (desk.session.status.state, desk.folder.episodes) == (SessionState.DONE, [])


def test_a_session_goes_on_counting_where_the_last_left_off() -> None:
    desk = Desk(counts={"success": 4, "discarded": 2})
    desk.press(Event.START)
    status = desk.press(Event.SUCCESS)
    assert (dict(status.counts), status.kept) == ({"success": 5, "discarded": 2}, 5)


def test_notes_are_kept_with_their_place() -> None:
    desk = Desk()
    desk.press(Event.NOTE, note="before")
    desk.press(Event.START)
    desk.wait(1.0)
    desk.press(Event.NOTE, note="slipped")
    assert [(index, text) for index, _, text in desk.session.notes] == [(None, "before"), (0, "slipped")]
    assert desk.session.notes[1][1] == pytest.approx(1.0)


def test_events_of_one_tick_count_in_their_order() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.SUCCESS, Event.START)
    assert desk.folder.outcomes == ["success", None]


@pytest.mark.parametrize("event", [*LABELS, Event.STOP, Event.ESTOP, Event.QUIT])
def test_an_episode_that_ends_before_its_first_tick_is_none(event: Event) -> None:
    desk = Desk(counts={"success": 2})
    status = desk.press(Event.START, event)
    assert (desk.folder.episodes, dict(status.counts), status.index) == ([], {"success": 2}, None)
    assert status.state is (SessionState.DONE if event is Event.QUIT else SessionState.IDLE)
    assert status.warnings == ("nothing was recorded: the episode ended before its first tick",)


def test_a_label_meant_for_an_empty_episode_is_not_given_to_the_one_before() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.FAIL)
    desk.press(Event.START, Event.STOP)
    status = desk.press(Event.SUCCESS)
    assert (status.index, desk.folder.outcomes) == (0, ["failure"])


ENDINGS: list[tuple[Event, Reason, str]] = [
    (Event.STOP, "stopped", "stop"),
    (Event.ESTOP, "stopped", "e-stop"),
    (Event.QUIT, "stopped", "quit"),
    (Event.DISCARD, "stopped", "discard"),
    (Event.SUCCESS, "success", ""),
    (Event.FAIL, "failure", ""),
]


@pytest.mark.parametrize(("event", "reason", "detail"), ENDINGS)
def test_an_episode_says_which_press_ended_it(event: Event, reason: Reason, detail: str) -> None:
    desk = Desk()
    desk.press(Event.START)
    status = desk.press(event)
    assert desk.folder.reasons == [(reason, detail)]
    assert (status.reason, status.detail) == (reason, detail)


def test_an_episode_says_that_its_time_was_up_or_that_something_stopped_the_robot() -> None:
    desk = Desk(SessionConfig(longest=1.99))
    desk.press(Event.START)
    desk.wait(3.0)
    desk.press(Event.START)
    desk.press(source="safety")
    desk.press(Event.START)
    desk.session.fault("the robot fell over")
    desk.press()
    assert desk.folder.reasons == [
        ("timeout", "time limit"),
        ("fault", "the gate stopped it"),
        ("fault", "the robot fell over"),
    ]


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (KeyboardInterrupt(), "interrupted", "Ctrl-C"),
        (KeyboardInterrupt("SIGTERM"), "interrupted", "SIGTERM"),
        (RuntimeError("the gate process ended\nat line 3"), "fault", "the gate process ended"),
        (RuntimeError(), "fault", "RuntimeError"),
        (SystemExit(2), "interrupted", "the program ended"),
    ],
)
def test_an_episode_that_an_exception_ends_says_so(error: BaseException, reason: Reason, detail: str) -> None:
    desk = Desk()
    with pytest.raises(type(error)), desk.session:
        desk.press(Event.START)
        raise error
    assert desk.folder.reasons == [(reason, detail)]


def test_what_the_disk_did_to_an_earlier_episode_is_heeded_too() -> None:
    desk = Desk()
    for event in (Event.SUCCESS, Event.SUCCESS, Event.FAIL):
        desk.press(Event.START)
        desk.press(event)
    desk.folder.cut_short[0] = CUT
    desk.folder.missing[1] = "episode 1 has no file"
    status = desk.press()
    assert {key: count for key, count in status.counts.items() if count} == {"unlabelled": 1, "failure": 1}
    assert set(status.warnings) >= {CUT, "episode 1 has no file"}
    assert status.outcome == "failure"


def test_an_episode_that_turns_out_to_have_no_file_cannot_be_labelled_any_more() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.press(Event.SUCCESS)
    desk.folder.missing[0] = "episode 0 has no file"
    for event in (Event.SUCCESS, Event.DISCARD, Event.UNDO):
        status = desk.press(event)
        assert status.outcome == "unlabelled"
    assert sum(status.counts.values()) == 0


def test_a_poor_episode_is_kept_with_a_warning() -> None:
    desk = Desk()
    desk.press(Event.START)
    desk.wait(2.0)
    desk.now += 1.0
    status = desk.press(Event.SUCCESS)
    assert status.warnings == ()
    desk.press(Event.START)
    desk.wait(2.0)
    desk.now += 1.0
    desk.press()
    warnings = desk.press(Event.SUCCESS).warnings
    assert [warning.split(" (")[0] for warning in warnings] == ["13.4 Hz instead of 20 Hz", "a gap of 1050 ms"]
    assert desk.folder.outcomes == ["success", "success"]


def test_quality_counts_what_was_stale_and_what_hit_a_limit() -> None:
    watch = QualityMonitor()
    assert watch.quality == Quality()
    watch.add(tick_at(10.0, taken=9.9))
    watch.add(tick_at(10.05, taken=9.8))
    watch.add(tick_at(10.10, age=0.15))
    watch.add(tick_at(10.15, shift=0.1))
    watch.add(tick_at(10.20, "safety", shift=0.1))
    quality = watch.quality
    assert (quality.ticks, quality.stale, quality.saturated) == (5, 0.4, 0.2)
    assert (quality.rate, quality.gap, quality.seconds) == pytest.approx((20.0, 0.05, 0.2))


def test_one_tick_has_no_rate() -> None:
    watch = QualityMonitor()
    watch.add(tick_at(10.0))
    assert (watch.quality.ticks, watch.quality.rate) == (1, 0.0)


@pytest.mark.parametrize(
    ("quality", "word"),
    [
        (Quality(10, 0.5, 20.0, 0.05), "long"),
        (Quality(100, 10.0, 10.0, 0.05), "Hz"),
        (Quality(100, 10.0, 20.0, 0.16), "gap"),
        (Quality(100, 10.0, 20.0, 0.05, stale=0.02), "stale"),
        (Quality(100, 10.0, 20.0, 0.05, saturated=0.3), "limit"),
    ],
)
def test_each_lack_has_its_warning(quality: Quality, word: str) -> None:
    (warning,) = quality.warnings(20.0)
    assert word in warning


def test_a_good_episode_has_no_warning_and_bounds_can_be_changed() -> None:
    quality = Quality(100, 10.0, 20.0, 0.05)
    assert quality.warnings(20.0) == ()
    assert quality.warnings(20.0, Bounds(seconds=20.0)) == ("only 10.0 s long (at least 20.0 s)",)


def test_the_table_only_leads_to_recording_by_beginning_and_out_of_it_by_ending() -> None:
    for (state, trigger), (after, effect) in TRANSITIONS.items():
        if state is not SessionState.RECORDING and after is SessionState.RECORDING:
            assert effect is Effect.BEGIN, (state, trigger)
        if state is SessionState.RECORDING and after is not SessionState.RECORDING:
            assert effect is Effect.END, (state, trigger)
    assert not any(state is SessionState.DONE for state, _ in TRANSITIONS)
    assert {trigger for _, trigger in TRANSITIONS if isinstance(trigger, Timer)} == set(Timer)


class SessionMachine(RuleBasedStateMachine):
    """Whatever is pressed whenever, the session and a plain account of it agree."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(SessionConfig(longest=5.0, undo=3.0))
        self.done = False

    @rule(event=st.sampled_from(Event), source=st.sampled_from(["human", "human", "hold", "safety"]))
    def press(self, event: Event, source: Source) -> None:
        recording = self.desk.session.status.state is SessionState.RECORDING
        before, full = len(self.desk.folder.episodes), self.desk.folder.full
        status = self.desk.press(event, source=source)
        if event is Event.START and not recording and not self.done and source != "safety" and not full:
            assert len(self.desk.folder.episodes) == before + 1
        if recording and source == "safety":
            assert status.state in {SessionState.STOPPED, SessionState.DONE}
        self.done = self.done or event is Event.QUIT

    @rule(seconds=st.floats(0.1, 4.0))
    def wait(self, seconds: float) -> None:
        self.desk.wait(seconds)

    @rule()
    def fill_or_empty_the_disk(self) -> None:
        self.desk.folder.full = not self.desk.folder.full

    @precondition(lambda self: not self.done)
    @rule()
    def leave(self) -> None:
        self.desk.session.__exit__(None, None, None)
        self.done = True

    @invariant()
    def the_recorder_runs_exactly_while_recording(self) -> None:
        assert self.desk.folder.running == (self.desk.session.status.state is SessionState.RECORDING)

    @invariant()
    def counts_agree_with_what_is_in_the_folder(self) -> None:
        counted = {outcome: count for outcome, count in self.desk.session.status.counts.items() if count}
        assert counted == Counter(outcome for outcome in self.desk.folder.outcomes if outcome)

    @invariant()
    def no_episode_is_longer_than_allowed_or_goes_back_in_time(self) -> None:
        for times, _ in self.desk.folder.episodes:
            assert times == sorted(times)
            assert not times or times[-1] - times[0] <= 5.0 + PERIOD

    @invariant()
    def nothing_is_recorded_after_the_end(self) -> None:
        assert self.done == (self.desk.session.status.state is SessionState.DONE)


SessionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_session_machine = SessionMachine.TestCase
