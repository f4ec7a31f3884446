"""`leash intervene`: a policy drives, somebody takes over, and both are recorded."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from leash_robot.launch.commands.intervene import (
    Calls,
    Intervene,
    TakeoverWiring,
    intervene,
    limits,
    main,
    notes_of,
)
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.policies import PolicyHandle
from leash_robot.launch.composition.robots import RobotOptions
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.takeovers import TAKEOVERS, Stretch, add_takeover, read_takeovers
from leash_robot.robot.errors import LabelError, UsageError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import SOURCES, Action, Tick
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.call_for_help import FITTED, Limits
from leash_robot.teleop.intervention.scripted_expert import Answer, Answering
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig, TakeoverStatus
from leash_robot.teleop.operator import ARMING, LOST, Event, Intent
from leash_robot.teleop.scripted_operator import Scripted, Segment, interventions
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.supervision import PolicyHold
from leash_robot.teleop.session.takeover_log import TakeoverLog, TakeoverWriter

SPEC = load_spec()
HUMAN, POLICY = SOURCES.index("human"), SOURCES.index("policy")


def intervened(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    args = ["trot", str(folder), "--robot", "sim", "--operator", "scripted", "--json", *options]
    assert main(args) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_scripted_operator_takes_over_at_random_and_both_proposals_are_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = intervened(tmp_path, capsys, "--episodes", "2", "--seconds", "6")
    assert (figures["episodes"], figures["success"], figures["gate_stops"], figures["losses"]) == (2, 2, 0, [])
    stretches = read_takeovers(tmp_path)
    assert figures["takeovers"] == len(stretches) >= 2
    assert figures["human_s"] == pytest.approx(sum(stretch.ticks for stretch in stretches) * SPEC.period)
    for number in range(2):
        episode = read_episode(tmp_path / f"episode_{number:06d}.mcap")
        drove = np.zeros(len(episode), bool)
        for stretch in stretches:
            if stretch.episode == episode.path.name:
                drove[stretch.first : stretch.first + stretch.ticks] = True
                assert (stretch.reason, stretch.ended) == ("person", "handback")
        assert np.array_equal(episode.sent.source == HUMAN, drove)
        assert np.array_equal(episode.sent.source == POLICY, ~drove)
        assert np.array_equal(episode.human.source >= 0, drove)
        assert np.all(episode.policy.source == POLICY)
    assert main(["trot", str(tmp_path), "--robot", "sim", "--operator", "browser", "--episodes", "2"]) == 0
    assert f"{tmp_path} holds 2 of 2 episodes; --episodes 4 for 2 more" in capsys.readouterr().err


def test_a_policy_that_doubts_is_helped_by_a_script_that_waits_to_be_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = intervened(tmp_path, capsys, "--episodes", "1", "--seconds", "4", "--answer", "--tilt", "0.2")
    (stretch, *_) = read_takeovers(tmp_path)
    assert stretch.reason == "tilt"
    assert figures["intervention_rate"] > 0.2
    calm = intervened(tmp_path / "calm", capsys, "--episodes", "1", "--seconds", "4", "--answer", "--tilt", "60")
    assert calm["takeovers"] == 0


def test_only_a_script_can_be_told_to_answer(tmp_path: Path) -> None:
    who = OperatorOptions(("scripted", "keyboard"))
    with pytest.raises(UsageError, match="--answer"):
        intervene(
            Intervene("trot", tmp_path, RobotOptions("sim"), replace(who, operator=("browser",)), Calls(answer=True))
        )


def test_figures_for_people_are_one_line(tmp_path: Path) -> None:
    assert (
        main(["trot", str(tmp_path), "--robot", "sim", "--operator", "scripted", "--episodes", "1", "--seconds", "2"])
        == 0
    )


def test_bounds_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--risk 2"):
        main(["trot", str(tmp_path), "--robot", "sim", "--operator", "scripted", "--risk", "2"])


def test_the_limit_of_risk_is_the_one_asked_for_or_the_fitted_one_or_the_default() -> None:
    assert limits(Calls(), notes_of(PolicyHandle(Stand(SPEC)))) == Limits()
    assert limits(Calls(), {FITTED: 0.6}).risk == 0.6
    assert limits(Calls(), {FITTED: "much"}).risk == Limits().risk
    assert limits(Calls(risk=0.7, tilt=45.0), {FITTED: 0.6}) == Limits(risk=0.7, tilt=np.pi / 4)


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


def kept(
    script: list[Segment], seconds: float, config: TakeoverConfig | None = None
) -> tuple[list[Stretch], list[Tick]]:
    """The stretches, and the ticks, of a session on a robot without a body."""
    drive = Drive(Scripted(script), Stand(SPEC))
    takeover = Takeover(Stand(SPEC), drive, SPEC, config or TakeoverConfig(begin="nobody"))
    session = EpisodeStateMachine(Nowhere(), lambda index, outcome: None, lambda: drive.intent)
    stretches: dict[tuple[str, int, int], Stretch] = {}
    ticks: list[Tick] = []

    def keep(stretch: Stretch) -> None:
        stretches[stretch.episode, stretch.takeover, stretch.first] = stretch

    class Both:
        """Fits `Log`."""

        def __enter__(self) -> "Both":
            return self

        def __exit__(self, *exc: object) -> None:
            return None

        def add(self, tick: Tick) -> None:
            ticks.append(tick)
            session.add(tick)
            log.add(tick)
            PolicyHold(session, takeover).add(tick)

    with FakeRobot(SPEC) as robot, TakeoverLog(session, lambda: takeover.status, keep) as log:
        robot.reset()
        run(robot, takeover, Both(), ticks=round(seconds * SPEC.rate))
    return list(stretches.values()), ticks


def asking(event: Event, seconds: float = 1.0) -> Segment:
    return Segment(seconds, events=(event,), engaged=False)


HELD = Segment(1.0, vx=0.2)


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (asking(Event.HANDBACK), "handback"),
        (asking(Event.START), "start"),
        (asking(Event.ESTOP), "stopped"),
        (asking(Event.SUCCESS), "episode"),
        (Segment(2.0, vx=0.2, alive=False), "operator_lost"),
    ],
)
def test_a_stretch_says_how_it_ended(last: Segment, ended: str) -> None:
    (stretch,), _ = kept([asking(Event.START), HELD, last], 5.0)
    assert (stretch.takeover, stretch.reason, stretch.ended) == (1, "person", ended)
    assert stretch.first == pytest.approx(20, abs=1)
    silent = LOST * SPEC.rate if ended == "operator_lost" else 0
    assert stretch.ticks == pytest.approx(20 + silent, abs=2)


def test_a_session_that_closes_in_a_takeover_keeps_it() -> None:
    (stretch,), _ = kept([asking(Event.START), Segment(9.0, vx=0.2)], 3.0)
    assert stretch.ended == "episode"
    assert stretch.ticks == pytest.approx(28, abs=2)


def test_a_takeover_that_goes_on_into_the_next_episode_has_a_stretch_in_each() -> None:
    script = [asking(Event.START), HELD, replace(HELD, events=(Event.SUCCESS,)), replace(HELD, events=(Event.START,))]
    stretches, _ = kept([*script, asking(Event.STOP)], 6.0)
    assert [(stretch.episode, stretch.takeover, stretch.first) for stretch in stretches] == [
        ("episode_000000.mcap", 1, pytest.approx(20, abs=1)),
        ("episode_000001.mcap", 1, 0),
    ]


def test_a_takeover_that_lasts_is_kept_twice_a_second() -> None:
    lines: list[Stretch] = []
    session = EpisodeStateMachine(Nowhere(), lambda index, outcome: None, lambda: Intent(0.0, events=(Event.START,)))
    taken = TakeoverStatus("human", takeover_id=1, taken=True, reason="person")
    with TakeoverLog(session, lambda: taken, lines.append) as log, FakeRobot(SPEC) as robot:
        robot.reset()
        for _ in range(35):
            obs = robot.observe()
            tick = Tick(obs, Action(SPEC.stand), robot.send(Action(SPEC.stand)))
            session.add(tick)
            log.add(tick)
        assert [(line.ticks, line.ended) for line in lines] == [(1, ""), (11, ""), (21, ""), (31, "")]


def test_the_policy_drives_only_while_it_is_recorded() -> None:
    wait = Segment(1.0, engaged=False)
    stretches, ticks = kept([wait, asking(Event.START), asking(Event.SUCCESS), wait], 5.0)
    assert stretches == []
    drove = [tick.sent.source == "policy" for tick in ticks]
    assert sum(drove) == pytest.approx(20, abs=2)
    assert not any(drove[: round((2 * ARMING + 1.0) * SPEC.rate) - 1])
    assert not any(drove[-15:])


def test_before_the_robot_is_open_nothing_is_asked() -> None:
    pair = TakeoverWiring(Intervene("trot", Path("nowhere")))
    assert (pair.status(), pair.request()) == (TakeoverStatus(), "")


ROW = Stretch("episode_000003.mcap", 7, "risk", 40, 20, "handback")


def test_stretches_are_read_back_and_torn_lines_skipped(tmp_path: Path) -> None:
    assert read_takeovers(tmp_path) == []
    add_takeover(tmp_path, ROW)
    with (tmp_path / TAKEOVERS).open("ab") as file:
        file.write(b'{"episode": "epis')
    grown = msgspec.structs.replace(ROW, ticks=30)
    add_takeover(tmp_path, grown)
    assert read_takeovers(tmp_path) == [grown], "a stretch is read as it was last written"
    other = msgspec.structs.replace(ROW, id="another episode that once had that name")
    add_takeover(tmp_path, other)
    assert read_takeovers(tmp_path) == [grown, other]


def test_what_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    (tmp_path / TAKEOVERS).mkdir()
    with pytest.raises(LabelError, match="cannot read"):
        read_takeovers(tmp_path)
    with pytest.raises(LabelError, match="cannot write"):
        add_takeover(tmp_path, ROW)
    with TakeoverWriter(tmp_path, {}) as keeper:
        keeper(ROW)
    assert "takeover 7 of episode_000003.mcap was for risk" in keeper.lost[0]


class Pilot:
    """Always wants ahead."""

    def __enter__(self) -> "Pilot":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        return Intent(now, np.array([0.2, 0.0, 0.0]), engaged=True, events=(Event.NOTE,))


def answered(request: Callable[[float], str], seconds: float, answer: Answer) -> list[Intent]:
    now = 0.0
    with Answering(Pilot(), lambda: request(now), answer) as person:
        seen = []
        for tick in range(round(seconds / SPEC.period)):
            now = tick * SPEC.period + 1e-6
            seen.append(person.read(now))
    return seen


def test_a_call_is_answered_after_the_reaction_and_until_it_ends() -> None:
    seen = answered(lambda now: "help" * (1.0 <= now < 3.0), 5.0, Answer(0.3, 1.0))
    engaged = [intent.time for intent in seen if intent.engaged]
    assert engaged[0] == pytest.approx(1.3, abs=0.06)
    assert engaged[-1] == pytest.approx(3.3, abs=0.06)
    assert [intent.time for intent in seen if Event.HANDBACK in intent.events] == pytest.approx([3.3], abs=0.06)
    assert all(np.any(intent.command) == intent.engaged for intent in seen)
    assert all(Event.NOTE in intent.events for intent in seen)


def test_a_short_call_is_not_answered_and_an_answer_lasts() -> None:
    assert not any(
        intent.engaged for intent in answered(lambda now: "help" * (1.0 <= now < 1.2), 3.0, Answer(0.3, 1.0))
    )
    seen = answered(lambda now: "help" * (1.0 <= now < 1.4), 4.0, Answer(0.3, 1.0))
    assert sum(intent.engaged for intent in seen) == pytest.approx(20, abs=1)


def test_a_script_of_interventions_takes_over_in_each_episode_and_quits() -> None:
    script = interventions(2, 8.0, seed=3)
    events = [event for segment in script for event in segment.events]
    assert (events.count(Event.START), events.count(Event.SUCCESS), events[-1]) == (2, 2, Event.QUIT)
    assert sum(segment.seconds for segment in script) == pytest.approx(17.0, abs=0.01)
    assert any(segment.engaged for segment in script)
