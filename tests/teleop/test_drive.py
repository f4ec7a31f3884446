"""Driving a robot through a walking policy."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Source, Tick
from leash_robot.teleop.drive import LONGEST_STEP, STOPPING, Drive, Reins
from leash_robot.teleop.operator import ARMING, LOST, Event, Intent
from leash_robot.teleop.scripted_operator import Scripted, Segment

SPEC = load_spec()
REST = 2 * ARMING
REINS = Reins()


class Echo:
    """A policy whose target moves while it is commanded, and for `swing` ticks longer; its command is remembered."""

    def __init__(self, swing: int = 0, source: Source = "policy") -> None:
        self.commands: list[Array] = []
        self.resets = 0
        self._source = source
        self._swing = swing
        self._left = 0
        self._target = SPEC.stand.copy()

    def reset(self) -> None:
        self.resets += 1

    def act(self, obs: Observation) -> Action:
        self.commands.append(obs.command)
        self._left = self._swing if obs.command.any() else self._left - 1
        if obs.command.any() or self._left >= 0:
            self._target = self._target + 0.01
        return Action(self._target.copy(), obs.command, self._source, risk=0.25)


class Kept:
    """A log that keeps its ticks."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.ticks.append(tick)


def driven(
    script: Sequence[Segment], policy: Echo, source: Literal["human", "policy"] = "human", seconds: float = 4.0
) -> list[Tick]:
    with FakeRobot(SPEC) as robot, Kept() as kept:
        robot.reset()
        run(robot, Drive(Scripted(script), policy, source), kept, ticks=round(seconds * SPEC.rate))
    return kept.ticks


def sources(ticks: Sequence[Tick]) -> list[Source]:
    """Who drove, without repetitions."""
    seen = [tick.wanted.source for tick in ticks]
    return [source for index, source in enumerate(seen) if index == 0 or source != seen[index - 1]]


def test_holding_the_dead_man_drives_and_letting_go_holds() -> None:
    policy = Echo()
    ticks = driven([Segment(1.0, vx=0.2)], policy)
    assert sources(ticks) == ["hold", "human", "hold"]
    assert max(command[0] for command in policy.commands) == pytest.approx(0.2)
    human = [tick for tick in ticks if tick.wanted.source == "human"]
    assert len(human) == pytest.approx(20, abs=1)
    assert all(tick.human is tick.wanted for tick in human)


def test_the_command_is_what_the_policy_sees_and_what_is_recorded() -> None:
    policy = Echo()
    ticks = driven([Segment(1.0, vx=0.2, vy=0.05, wz=-0.5)], policy)
    assert np.array_equal([tick.wanted.command for tick in ticks], policy.commands)
    assert all(tick.wanted.risk == 0.25 for tick in ticks)


def test_the_command_is_zero_in_the_tick_after_letting_go() -> None:
    ticks = driven([Segment(1.0, vx=0.2), Segment(1.0, vx=0.2, engaged=False)], Echo(swing=5))
    moving = [bool(tick.wanted.command.any()) for tick in ticks]
    last = max(index for index, moves in enumerate(moving) if moves)
    assert ticks[last].wanted.command[0] == pytest.approx(0.2)
    assert not any(moving[last + 1 :])


def test_a_gait_that_is_let_go_puts_its_feet_down_before_it_holds() -> None:
    ticks = driven([Segment(1.0, vx=0.2)], Echo(swing=5))
    after = [tick for tick in ticks if tick.wanted.source == "human" and not tick.wanted.command.any()]
    assert len(after) == pytest.approx(6, abs=1)
    held = ticks[-1].wanted
    assert held.source == "hold"
    assert np.array_equal(held.joint_pos, after[-1].wanted.joint_pos)


def test_a_gait_that_never_stops_is_held_all_the_same() -> None:
    ticks = driven([Segment(1.0, vx=0.2)], Echo(swing=1000))
    after = [tick for tick in ticks if tick.wanted.source == "human" and not tick.wanted.command.any()]
    assert len(after) == pytest.approx(STOPPING * SPEC.rate, abs=2)
    assert ticks[-1].wanted.source == "hold"


def test_a_policy_on_trial_is_held_at_once_and_what_it_would_do_is_kept() -> None:
    ticks = driven([Segment(1.0, vx=0.2)], Echo(swing=5), "policy")
    assert sources(ticks) == ["hold", "policy", "hold"]
    last = max(index for index, tick in enumerate(ticks) if tick.wanted.source == "policy")
    first = ticks[last + 1]
    assert np.array_equal(first.wanted.joint_pos, ticks[last].wanted.joint_pos)
    assert first.policy is not None
    assert not np.array_equal(first.policy.joint_pos, first.wanted.joint_pos)


def test_a_policy_on_trial_that_was_never_driven_stays_where_it_is() -> None:
    ticks = driven([], Echo(), "policy", seconds=0.5)
    assert all(np.array_equal(tick.sent.joint_pos, SPEC.stand) for tick in ticks)


def test_an_e_stop_asks_for_a_soft_stop_though_the_dead_man_is_held() -> None:
    ticks = driven([Segment(0.5, vx=0.2), Segment(1.0, vx=0.2, events=(Event.ESTOP,))], Echo())
    assert sources(ticks) == ["hold", "human", "safety"]
    assert not any(tick.wanted.command.any() for tick in ticks if tick.wanted.source == "safety")


def test_a_stop_outlasts_resets_until_a_person_re_arms() -> None:
    policy = Echo()
    clock = VirtualClock()
    script = [Segment(0.5, vx=0.2, events=(Event.ESTOP,)), Segment(0.5, events=(Event.REARM,), vx=0.2)]
    drive = Drive(Scripted([*script, Segment(1.0, engaged=False), Segment(5.0, vx=0.2)]), policy)
    kept = Kept()
    with FakeRobot(SPEC, clock) as robot:
        robot.reset()
        run(robot, drive, kept, done=lambda _: drive.stopped)
        run(robot, drive, kept, ticks=3)
        assert (drive.stopped, drive.rearmed) == (True, False)
        run(robot, drive, kept, done=lambda _: drive.rearmed)
        assert {tick.wanted.source for tick in kept.ticks[-4:]} == {"safety"}
        before = len(kept.ticks)
        run(robot, drive, kept, ticks=round(3 * SPEC.rate))
    assert (drive.stopped, drive.rearmed) == (False, False)
    assert sources(kept.ticks[before:]) == ["hold", "human"]
    assert kept.ticks[before].wanted.source == "hold"


def test_re_arming_with_the_dead_man_held_does_not_drive() -> None:
    script = [Segment(0.5, vx=0.2, events=(Event.ESTOP,)), Segment(9.0, events=(Event.REARM,), vx=0.2)]
    drive = Drive(Scripted(script), Echo())
    kept = Kept()
    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, drive, kept, done=lambda _: drive.rearmed)
        before = len(kept.ticks)
        run(robot, drive, kept, ticks=40)
    assert sources(kept.ticks[before:]) == ["hold"]
    assert not drive.armed


def test_re_arming_what_was_never_stopped_does_nothing() -> None:
    drive = Drive(Scripted([Segment(1.0, events=(Event.REARM,))]), Echo())
    with FakeRobot(SPEC) as robot, Kept() as kept:
        run(robot, drive, kept, ticks=30)
    assert (drive.stopped, drive.rearmed) == (False, False)


def test_a_stop_after_re_arming_wins() -> None:
    drive = Drive(Scripted([]), Echo())
    drive.stop()
    drive.rearm()
    drive.stop()
    drive.reset()
    assert drive.stopped


@pytest.mark.parametrize("source", ["hold", "safety"])
def test_a_wrapped_policy_that_holds_or_stops_is_not_overruled(source: Source) -> None:
    ticks = driven([Segment(1.0, vx=0.2)], Echo(source=source))
    assert {tick.wanted.source for tick in ticks} == {source}
    assert any(tick.wanted.command.any() for tick in ticks)


def test_an_operator_who_is_lost_has_let_go_within_150_ms() -> None:
    script = [Segment(1.0, vx=0.2), Segment(2.0, vx=0.2, alive=False)]
    ticks = driven(script, Echo())
    moving = [tick.obs.time for tick in ticks if tick.wanted.command.any()]
    lost = ticks[0].obs.time + REST + 1.0
    assert lost < moving[-1] + SPEC.period <= lost - SPEC.period + 0.15 + 1e-6


def lost_at(drive: Drive, script: Sequence[Segment], seconds: float = 6.0) -> float | None:
    """After how many seconds of the script the robot was stopped, if it was."""
    with FakeRobot(SPEC) as robot, Kept() as kept:
        run(robot, drive, kept, ticks=round(seconds * SPEC.rate))
    stopped = [tick.obs.time for tick in kept.ticks if tick.wanted.source == "safety"]
    return stopped[0] - kept.ticks[0].obs.time - REST if stopped else None


@pytest.mark.parametrize("bound", [0.5, LOST, 3.0])
def test_a_robot_whose_driver_stays_silent_is_stopped_softly_after_the_bound(bound: float) -> None:
    script = [Segment(1.0, vx=0.2), Segment(9.0, vx=0.2, alive=False)]
    drive = Drive(Scripted(script), Echo(), lost=bound)
    assert lost_at(drive, script) == pytest.approx(1.0 + bound, abs=2 * SPEC.period)
    assert drive.lost
    assert f"{bound:g} s" in drive.trouble and "re-arm" in drive.trouble


def test_a_device_that_was_let_go_may_fall_silent() -> None:
    script = [Segment(1.0, vx=0.2), Segment(0.5, engaged=False), Segment(9.0, alive=False)]
    drive = Drive(Scripted(script), Echo())
    assert lost_at(drive, script) is None
    assert (drive.lost, drive.trouble) == (False, "")


def test_a_page_that_closes_while_it_drives_is_lost_though_nothing_says_that_it_is_held() -> None:
    said = Said()
    drive = Drive(said, Echo())
    for tick in range(45):
        time = 10 + 0.05 * tick
        said.engaged, said.last = 10 < tick < 20, min(time, 10.95)
        drive.act(observation(time))
    assert drive.lost


def test_a_lost_person_who_re_arms_may_drive_again() -> None:
    away = Segment(2.0, vx=0.2, alive=False)
    back = [Segment(0.5, events=(Event.REARM,), engaged=False), Segment(1.0, engaged=False), Segment(9.0, vx=0.2)]
    drive = Drive(Scripted([Segment(1.0, vx=0.2), away, *back]), Echo())
    with FakeRobot(SPEC) as robot, Kept() as kept:
        run(robot, drive, kept, done=lambda _: drive.rearmed)
        run(robot, drive, kept, ticks=60)
    assert not drive.stopped
    assert kept.ticks[-1].wanted.command[0] == pytest.approx(0.2)


def test_an_operator_who_comes_back_must_rest_before_driving() -> None:
    script = [
        Segment(1.0, vx=0.2),
        Segment(0.5, vx=0.2, alive=False),
        Segment(0.5, vx=0.2),
        Segment(0.5, engaged=False),
        Segment(0.5, vx=0.2),
    ]
    assert sources(driven(script, Echo())) == ["hold", "human", "hold", "human", "hold"]


def test_the_devices_clock_is_asked_where_one_is_given() -> None:
    clock = VirtualClock(500.0)
    drive = Drive(Scripted([Segment(9.0, vx=0.2)]), Echo(), clock=clock)
    with FakeRobot(SPEC) as robot:
        for _ in range(30):
            clock.advance(0.05)
            drive.act(robot.observe())
    assert drive.intent.engaged
    assert drive.intent.time == pytest.approx(501.5)


class Said:
    """An operator that says one thing at a time, always fresh, or of the time `last`."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.command: Array = np.zeros(3)
        self.engaged = False

    def __enter__(self) -> "Said":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        return Intent(now if self.last is None else self.last, self.command, self.engaged)


def observation(time: float) -> Observation:
    with FakeRobot(SPEC, VirtualClock(time)) as robot:
        return replace(robot.observe(), joint_pos=SPEC.stand)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.001, 1.0), st.lists(st.floats(-9, 9), min_size=3, max_size=3), st.booleans()), max_size=30
    )
)
def test_the_command_never_leaves_its_bounds_nor_outruns_its_slew(
    steps: list[tuple[float, list[float], bool]],
) -> None:
    said = Said()
    drive, now = Drive(said, Echo()), 10.0
    for _ in range(10):
        drive.act(observation(now := now + 0.05))
    last = np.zeros(3)
    for passed, command, engaged in steps:
        now += passed
        said.command, said.engaged = np.array(command), engaged
        action = drive.act(observation(now))
        assert np.all(np.abs(action.command) <= REINS.fastest)
        if action.command.any():
            allowed = np.array(REINS.slew) * min(passed, LONGEST_STEP)
            assert np.all(np.abs(action.command - last) <= allowed + 1e-9)
        assert engaged or not action.command.any()
        last = action.command


def test_a_clock_that_jumps_back_does_not_move_the_command() -> None:
    said = Said()
    drive = Drive(said, Echo())
    for tick in range(10):
        drive.act(observation(10 + 0.05 * tick))
    said.command, said.engaged = np.array([0.2, 0, 0]), True
    before = drive.act(observation(10.5)).command
    assert drive.act(observation(9.0)).command.tolist() == before.tolist()


def test_a_real_trot_comes_to_rest_well_before_it_is_held_by_force() -> None:
    drive = Drive(Scripted([Segment(2.0, vx=0.2, wz=0.3)]), Trot(SPEC))
    with FakeRobot(SPEC) as robot, Kept() as kept:
        robot.reset()
        run(robot, drive, kept, ticks=100)
    stopping = [tick for tick in kept.ticks if tick.wanted.source == "human" and not tick.wanted.command.any()]
    assert 0 < len(stopping) < STOPPING * SPEC.rate
    assert kept.ticks[-1].wanted.joint_pos == pytest.approx(SPEC.stand, abs=1e-6)
    assert not math.isnan(kept.ticks[-1].wanted.command[0])
