"""The dead-man's rules, and several devices as one."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.teleop.operator import ARMING, STALE, Deadman, Event, Guarded, Intent, Merged

TICK = 0.05
FORWARD = np.array([0.2, 0.0, 0.0])


class Puppet:
    """An operator that says what the test puts into `intent`."""

    def __init__(self, log: list[str] | None = None, name: str = "") -> None:
        self.intent = Intent(-math.inf)
        self._log = [] if log is None else log
        self._name = name

    def __enter__(self) -> Self:
        if self._name == "broken":
            raise OSError("cannot open")
        self._log.append(f"open {self._name}")
        return self

    def __exit__(self, *exc: object) -> None:
        self._log.append(f"close {self._name}")

    def read(self, now: float) -> Intent:
        return self.intent


def resting(time: float) -> Intent:
    return Intent(time)


def driving(time: float, events: tuple[Event, ...] = ()) -> Intent:
    return Intent(time, FORWARD.copy(), True, events)


def armed_at(now: float) -> Deadman:
    deadman = Deadman()
    for time in np.arange(now - 2 * ARMING, now + TICK / 2, TICK):
        deadman = deadman.after(resting(time), time)
    assert deadman.armed
    return deadman


def test_a_new_device_drives_only_after_it_rested() -> None:
    deadman, armed = Deadman(), []
    for tick in range(8):
        deadman = deadman.after(resting(tick * TICK), tick * TICK)
        armed.append(deadman.armed)
    assert armed == [False] * 6 + [True] * 2


def test_a_dead_man_held_throughout_never_arms() -> None:
    deadman = Deadman()
    for tick in range(100):
        deadman = deadman.after(driving(tick * TICK), tick * TICK)
        assert not deadman.armed


def test_sticks_off_centre_never_arm() -> None:
    deadman = Deadman()
    for tick in range(100):
        deadman = deadman.after(Intent(tick * TICK, np.array([0.0, -0.08, 0.0])), tick * TICK)
        assert not deadman.armed


def test_touching_the_stick_while_arming_starts_the_rest_anew() -> None:
    deadman = Deadman()
    for tick in range(4):
        deadman = deadman.after(resting(tick * TICK), tick * TICK)
    deadman = deadman.after(driving(4 * TICK), 4 * TICK)
    deadman = deadman.after(resting(5 * TICK), 5 * TICK)
    assert not deadman.after(resting(6.5 * TICK), 6.5 * TICK).armed


def test_driving_goes_on_once_armed() -> None:
    deadman = armed_at(1.0)
    for tick in range(1, 100):
        deadman = deadman.after(driving(1.0 + tick * TICK), 1.0 + tick * TICK)
        assert deadman.armed


@pytest.mark.parametrize("command", [[math.nan, 0, 0], [0, math.inf, 0]])
def test_a_command_that_is_no_number_disarms(command: Sequence[float]) -> None:
    assert not armed_at(1.0).after(Intent(1.05, np.array(command), True), 1.05).armed


@given(age=st.floats(-10, 10), engaged=st.booleans())
def test_only_a_fresh_device_stays_armed(age: float, engaged: bool) -> None:
    after = armed_at(1.0).after(Intent(20.0 - age, FORWARD, engaged), 20.0)
    assert after.armed == (abs(20.0 - (20.0 - age)) <= STALE)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.001, 0.4), st.floats(0, 0.5), st.booleans(), st.booleans()), min_size=1, max_size=60
    )
)
def test_whatever_happens_nobody_drives_within_the_arming_time_of_a_silence(
    steps: list[tuple[float, float, bool, bool]],
) -> None:
    now, quiet_until, puppet = 0.0, 0.0, Puppet()
    guarded = Guarded(puppet)
    for passed, age, engaged, moved in steps:
        now += passed
        command = FORWARD if moved else np.zeros(3)
        puppet.intent = Intent(now - age, command, engaged)
        seen = guarded.read(now)
        if abs(now - puppet.intent.time) > STALE:
            quiet_until = now
        if seen.engaged:
            assert engaged
            assert abs(now - puppet.intent.time) <= STALE
            assert now - quiet_until >= ARMING - 1e-9
        else:
            assert not seen.command.any()


def test_a_disarmed_operator_must_rest_again() -> None:
    puppet = Puppet()
    guarded = Guarded(puppet)
    for tick in range(10):
        puppet.intent = resting(tick * TICK)
        guarded.read(tick * TICK)
    assert guarded.armed
    guarded.disarm()
    puppet.intent = driving(0.5)
    assert not guarded.read(0.5).engaged


def test_events_pass_a_device_that_may_not_drive() -> None:
    puppet = Puppet()
    puppet.intent = driving(0.0, (Event.ESTOP, Event.START))
    seen = Guarded(puppet).read(0.0)
    assert seen.events == (Event.ESTOP, Event.START)
    assert not seen.engaged


def merged_and_armed(count: int) -> tuple[Merged, list[Puppet], float]:
    puppets = [Puppet() for _ in range(count)]
    merged = Merged(puppets)
    for tick in range(10):
        for puppet in puppets:
            puppet.intent = resting(tick * TICK)
        merged.read(tick * TICK)
    return merged, puppets, 10 * TICK


def test_who_engages_first_keeps_driving_until_they_let_go() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent, two.intent = resting(now), Intent(now, 2 * FORWARD, True)
    assert merged.read(now).command[0] == pytest.approx(0.4)
    one.intent = driving(now)
    assert merged.read(now).command[0] == pytest.approx(0.4)
    two.intent = resting(now)
    assert merged.read(now).command[0] == pytest.approx(0.2)


def test_an_e_stop_counts_from_whoever_does_not_drive() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent = driving(now)
    two.intent = Intent(-math.inf, events=(Event.ESTOP,), note="dog")
    seen = merged.read(now)
    assert seen.events == (Event.ESTOP,)
    assert seen.note == "dog"
    assert seen.engaged


def test_a_device_that_falls_silent_hands_over_at_once() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent, two.intent = driving(now), resting(now)
    assert merged.read(now).engaged
    late = now + 2 * STALE
    two.intent = Intent(late, 3 * FORWARD, True)
    assert merged.read(late).command[0] == pytest.approx(0.6)


def test_a_driver_who_falls_silent_is_lost_though_another_device_lives() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent, two.intent = driving(now), resting(now)
    assert merged.read(now).lost_since == math.inf
    late = now + 2 * STALE
    two.intent = resting(late)
    seen = merged.read(late)
    assert (seen.engaged, seen.time, seen.lost_since) == (False, late, now)


def test_nobody_is_lost_once_another_device_drives_or_the_driver_is_heard_again() -> None:
    for back in (False, True):
        merged, (one, two), now = merged_and_armed(2)
        one.intent, two.intent = driving(now), resting(now)
        merged.read(now)
        late = now + 2 * STALE
        one.intent, two.intent = (resting(late), resting(late)) if back else (one.intent, driving(late))
        assert merged.read(late).lost_since == math.inf
        two.intent = resting(late + TICK)
        assert merged.read(late + TICK).lost_since == math.inf


def test_a_device_that_let_go_is_never_lost() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent = driving(now)
    merged.read(now)
    one.intent, two.intent = resting(now + TICK), resting(now)
    merged.read(now + TICK)
    assert merged.read(now + 9.0).lost_since == math.inf


def test_nobody_engaged_is_as_fresh_as_the_freshest_device() -> None:
    merged, (one, two), now = merged_and_armed(2)
    one.intent, two.intent = resting(now - 5), resting(now)
    seen = merged.read(now)
    assert (seen.engaged, seen.time) == (False, now)


def test_nobody_at_all_is_never_fresh() -> None:
    assert Merged([]).read(0.0).time == -math.inf


def test_every_device_is_opened_and_closed() -> None:
    log: list[str] = []
    with Merged([Puppet(log, "a"), Puppet(log, "b")]):
        assert log == ["open a", "open b"]
    assert log[2:] == ["close b", "close a"]


def test_a_device_that_does_not_open_closes_those_before_it() -> None:
    log: list[str] = []
    with pytest.raises(OSError, match="cannot open"), Merged([Puppet(log, "a"), Puppet(log, "broken")]):
        log.append("entered")
    assert log == ["open a", "close a"]


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=30))
def test_authority_moves_only_when_the_driver_lets_go(held: list[list[bool]]) -> None:
    merged, puppets, now = merged_and_armed(3)
    driver: int | None = None
    for row in held:
        for index, (puppet, engaged) in enumerate(zip(puppets, row, strict=True)):
            puppet.intent = Intent(now, np.array([0.1 * (index + 1), 0, 0]), engaged)
        seen = merged.read(now)
        if driver is None or not row[driver]:
            driver = row.index(True) if any(row) else None
        assert seen.command[0] == pytest.approx(0.0 if driver is None else 0.1 * (driver + 1))
