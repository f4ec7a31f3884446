"""A person at the tracks of a round, played by a hand that sees the line, in simulated time."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from leash_robot.launch.composition.tracks import TrackArena
from leash_robot.policies.imitation.dagger import Role, roles, supervision
from leash_robot.robot.dataset.episode import load_dataset
from leash_robot.robot.dataset.takeovers import read_takeovers
from leash_robot.robot.dataset.tracks import all_recorded, recorded_tracks
from leash_robot.robot.logs import Logs
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick
from leash_robot.sim.envs.line_track import TrackScorer, draw_track, planar_pose
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.line_expert import LineOperator
from leash_robot.teleop.operator import Event, Intent
from leash_robot.teleop.session.track_progress import TrackProgress
from leash_robot.teleop.session.track_session import TrackSession, TrackTask, track_session

SPEC = load_spec()
Move = tuple[bool, tuple[Event, ...]]
"""Whether the dead-man is held, and what is asked."""
REST: list[Move] = [(False, ())] * 10
"""As long as arming takes, and a little more."""


class Blind:
    """An upper policy that always walks straight ahead, and doubts."""

    def __init__(self, risk: float = 0.0) -> None:
        self._risk = risk

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        return Action(SPEC.stand.copy(), np.array([0.2, 0.0, 0.0]), "policy", risk=self._risk)


class Hand(Logs):
    """Fits `Operator`: steers along the line of the track before it, as a plan says, and leaves at its end.

    Fits `Log`, too: keeps what it saw.
    """

    def __init__(self, arena: TrackArena) -> None:
        super().__init__()
        self.arena = arena
        self.alive = True
        self.ticks: list[Tick] = []
        self.said: list[str] = []
        self.judged: list[int] = []
        """How many ticks of its track the scorer had seen, at every tick of driving."""
        self._guides: dict[int, LineOperator] = {}
        self._time = 0.0
        self.away = 0.0
        """How fast this hand turns away from the line [rad/s]; 0 follows it."""

    def __enter__(self) -> Self:
        return self

    def sit(self, task: TrackTask, *plan: Iterable[Move]) -> TrackSession:
        """Go through a task until the plan or the task is over."""
        self._plan = itertools.chain(*plan)
        with track_session(self.arena, self, task) as self.tracks:
            self.went_on = self.tracks.run(self)
        return self.tracks

    def read(self, now: float) -> Intent:
        engaged, events = next(self._plan, (False, (Event.QUIT,)))
        self._time = now if self.alive else self._time
        return Intent(self._time, self._steer() if engaged else np.zeros(3), engaged, events)

    def add(self, tick: Tick) -> None:
        self.ticks.append(tick)
        self.said.append(self.tracks.session.hint())

    def _steer(self) -> np.ndarray:
        seed = self.tracks.robot.seed
        if seed not in self._guides:
            self._guides = {seed: LineOperator(draw_track(seed).course, lambda: planar_pose(self.arena.robot))}
        return self._guides[seed].advice() if not self.away else np.array([0.2, 0.0, self.away])

    @property
    def scorer(self) -> TrackScorer:
        scorer = self.tracks.robot.scorer
        assert isinstance(scorer, TrackScorer)
        return scorer

    @property
    def recording(self) -> bool:
        return self.tracks.progress.recording

    def strays(self) -> Iterator[Move]:
        """Drive away from the line until the track is over, and a moment longer."""
        self.away = 0.6
        yield from self.drives()
        self.away = 0.0

    def drives(self) -> Iterator[Move]:
        """Hold until the track is over, and a moment longer."""
        yield True, ()
        while self.recording:
            self.judged.append(len(self.scorer.path))
            yield True, ()
        yield from [(True, ())] * 30

    def watches(self) -> Iterator[Move]:
        """Start the policy, take over when it strays, hand back when all is well, until the track is over."""
        yield False, (Event.START,)
        while self.recording:
            errors = self.scorer.errors
            if errors and abs(errors[-1]) > 0.08:
                yield from [(True, ())] * 50
                yield False, (Event.HANDBACK,)
            yield False, ()


@pytest.fixture(scope="module")
def arena() -> Iterator[TrackArena]:
    with TrackArena(SPEC) as made:
        yield made


def test_demonstrations_begin_when_the_person_is_ready_and_what_is_taken_back_comes_again(
    arena: TrackArena, tmp_path: Path
) -> None:
    task, hand = TrackTask(tmp_path, range(40, 42), "demonstrations"), Hand(arena)
    late, discard, partly = [(False, ())] * 200, [(False, (Event.DISCARD,))], [(True, ())] * 30
    tracks = hand.sit(task, late, hand.strays(), REST, discard, REST, hand.drives(), REST, partly)
    assert recorded_tracks(tmp_path) == {0: (40, "discarded"), 1: (40, "success"), 2: (41, "discarded")}
    assert (tracks.progress.full, all_recorded(tmp_path, task.seeds), hand.went_on) == (False, False, False)
    assert hand.said[0].startswith("Track 1 of 2: hold to drive")
    assert any("ended too far from the line at" in said for said in hand.said)
    assert any("was completed at 100%. Track 2 of 2" in said for said in hand.said)
    assert any("not kept and comes again. Track 1 of 2" in said for said in hand.said)
    (kept,) = load_dataset(tmp_path)
    assert kept.human.source[0] == 1 and set(roles(kept).tolist()) == {Role.DEMONSTRATION}
    assert hand.judged[0] == 1, "waiting is not judged"
    assert hand.judged[-1] == len(kept), "and not recorded_tracks"

    again = Hand(arena)
    tracks = again.sit(task, REST, again.strays(), REST, [(False, (Event.START,))])
    assert (tracks.progress.full, all_recorded(tmp_path, task.seeds), again.went_on) == (True, True, True)
    assert "All 2 tracks are driven" in again.said[-1]
    assert [episode.start.info["track"] for episode in load_dataset(tmp_path)] == ["40", "41"]


def test_a_person_watches_takes_over_and_hands_back(arena: TrackArena, tmp_path: Path) -> None:
    hand = Hand(arena)
    task = TrackTask(tmp_path, range(7, 8), "round_00", Blind(risk=0.9))
    hand.sit(task, REST, hand.watches(), REST)
    assert hand.tracks.progress.full and not hand.went_on, "who quits at the end of the tracks quits"
    (episode,) = load_dataset(tmp_path)
    assert episode.outcome == "success" and {Role.OWN, Role.CORRECTION} <= set(roles(episode).tolist())
    assert 0.05 < supervision([episode]).intervention_rate < 0.95
    stretches = read_takeovers(tmp_path)
    assert stretches and {stretch.reason for stretch in stretches} == {"person"}, "nobody calls who is watched"


def test_a_policy_calls_only_while_it_drives(arena: TrackArena, tmp_path: Path) -> None:
    hand = Hand(arena)
    calls: list[tuple[bool, bool]] = []

    def waits() -> Iterator[Move]:
        for _ in range(20):
            calls.append((hand.recording, bool(hand.tracks.session.request())))
            yield False, ()

    start, driving, away = [(False, (Event.START,))], [(True, ())] * 20, [(False, (Event.DISCARD,))]
    task = TrackTask(tmp_path, range(7, 8), "round_00", Blind(risk=0.9), Limits())
    hand.sit(task, REST, waits(), start, waits(), driving, away, waits())
    assert sorted(set(calls)) == [(False, False), (True, True)]
    assert read_takeovers(tmp_path)[0].reason == "risk"


@pytest.mark.parametrize("how", ["estop", "lost"])
def test_a_stopped_robot_waits_for_the_person_and_begins_the_track_again(
    arena: TrackArena, tmp_path: Path, how: str
) -> None:
    hand, places = Hand(arena), []

    def stopped() -> Iterator[Move]:
        yield from REST
        yield False, (Event.HANDBACK,)
        yield from REST
        places.append((planar_pose(arena.robot)[0], hand.ticks[-1].sent.source, hand.recording))
        yield False, (Event.START,)
        yield from [(False, ())] * 20
        yield from [(True, ())] * 20
        hand.alive = how != "lost"
        yield True, (Event.ESTOP,) if how == "estop" else ()
        yield from [(True, ())] * (10 if how == "estop" else 25)
        hand.alive = True
        yield from REST
        yield False, (Event.START,)
        yield False, ()
        places.append((planar_pose(arena.robot)[0], hand.ticks[-1].sent.source, hand.recording))
        yield False, (Event.REARM,)
        yield from REST
        places.append((planar_pose(arena.robot)[0], hand.ticks[-1].sent.source, hand.recording))

    hand.sit(TrackTask(tmp_path, range(7, 8), "round_00", Blind()), stopped())
    assert places[1][0] > 0.15 and places[1][1:] == ("safety", False), "nobody goes on by themselves"
    for x, source, recording in (places[0], places[2]):
        assert abs(x) < 0.03 and source == "hold" and not recording
    assert recorded_tracks(tmp_path) == {0: (7, "discarded")}
    assert read_takeovers(tmp_path)[0].ended in {"stopped", "operator_lost", "episode"}


def test_a_track_whose_recording_has_no_file_after_all_is_to_be_driven_again(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, SPEC)
    progress = TrackProgress(recorder, lambda index, outcome: None, [4, 5], {0: (4, "success"), 1: (5, "success")})
    assert progress.full
    recorder.missing[0] = "episode 0 has no file: none of its ticks could be recorded_tracks"
    assert (progress.kept, progress.full, progress.seed) == (1, False, 4)
