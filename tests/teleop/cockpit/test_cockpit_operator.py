"""The person at the page, as the loop reads them."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Tick, unknown
from leash_robot.teleop.cockpit.log import LISTED, CockpitLog, remembered, tilt
from leash_robot.teleop.cockpit.messages import (
    Asked,
    Audience,
    Hands,
    Held,
    PlotHistory,
    Status,
    Upward,
    View,
    decode_upward,
    decode_view,
    encode,
)
from leash_robot.teleop.cockpit.operator import BrowserOperator
from leash_robot.teleop.operator import ARMING, STALE, Event, Intent

SPEC = load_spec()
TICK = 0.05


class Hall:
    """People, as far as messages tell."""

    def __init__(self) -> None:
        self.said: list[Upward] = []
        self.armed = False

    def heard(self) -> Iterator[Upward]:
        said, self.said = self.said, []
        yield from said


class Person:
    """Somebody at a page whose messages arrive at once."""

    def __init__(self) -> None:
        self.hall = Hall()
        self.operator = BrowserOperator(self.hall)
        self.now = 100.0

    def holds(self, *devices: Held, grip: int = 1, attentive: bool = True) -> Intent:
        """The intent of the tick at which they are heard."""
        self.now += TICK
        self.hall.said.append(Hands(grip, attentive, devices))
        with self.operator as operator:
            return operator.read(self.now)

    def key(self, forward: float = 0.0, *, grip: int = 1, attentive: bool = True) -> Intent:
        held = Held("keyboard", 0, self.now + TICK, bool(forward), forward)
        return self.holds(held, grip=grip, attentive=attentive)

    def rests(self, grip: int = 1) -> None:
        for _ in range(math.ceil(ARMING / TICK) + 2):
            assert not self.key(grip=grip).engaged


def test_a_rested_page_drives_at_once_and_lets_go_at_once() -> None:
    person = Person()
    assert not person.hall.armed
    person.rests()
    assert person.hall.armed
    intent = person.key(1.0)
    assert intent.engaged
    assert intent.command == pytest.approx([0.25, 0, 0])
    assert not person.key(0.0).engaged


def test_a_page_that_was_opened_with_a_key_down_does_not_drive_until_it_rested() -> None:
    person = Person()
    assert not any(person.key(1.0).engaged for _ in range(20))
    person.rests()
    assert person.key(1.0).engaged


def test_a_page_out_of_focus_is_released_but_alive_and_must_rest_afterwards() -> None:
    person = Person()
    person.rests()
    assert person.key(1.0).engaged
    away = person.key(1.0, attentive=False)
    assert (away.engaged, away.time) == (False, person.now)
    assert not away.command.any()
    assert not any(person.key(1.0).engaged for _ in range(20))
    person.rests()
    assert person.key(1.0).engaged


def test_having_been_away_for_less_than_a_tick_counts() -> None:
    person = Person()
    person.rests()
    person.hall.said.append(Hands(1, attentive=False))
    assert not person.key(1.0).engaged


def test_another_pages_hands_must_rest_first() -> None:
    person = Person()
    person.rests()
    assert person.key(1.0).engaged
    assert not any(person.key(1.0, grip=2).engaged for _ in range(20))
    person.rests(grip=2)
    assert person.key(1.0, grip=2).engaged


def test_silence_grows_stale_and_disarms() -> None:
    person = Person()
    person.rests()
    held = person.key(1.0)
    later = held.time + STALE + 0.01
    intent = person.operator.read(later)
    assert intent.time == held.time
    assert not intent.engaged
    person.now = later
    assert not person.key(1.0).engaged


def test_a_gamepad_that_dies_while_it_drives_is_lost_though_the_keyboard_lives() -> None:
    person = Person()
    for _ in range(8):
        person.holds(Held("keyboard", 0, person.now + TICK), Held("gamepad", 1, person.now + TICK))
    assert person.holds(
        Held("keyboard", 0, person.now + TICK), Held("gamepad", 1, person.now + TICK, engaged=True, turn=1.0)
    ).engaged
    died = person.now
    for _ in range(5):
        pad = Held("gamepad", 1, died, engaged=True, turn=1.0)
        intent = person.holds(Held("keyboard", 0, person.now + TICK), pad)
    assert (intent.engaged, intent.time) == (False, died)
    assert person.holds(Held("keyboard", 0, person.now + TICK)).time == person.now


def test_a_gamepad_that_comes_back_full_reverse_does_not_drive() -> None:
    person = Person()
    person.rests()
    for _ in range(20):
        pad = Held("gamepad", 2, person.now + TICK, engaged=True, forward=-1.0)
        intent = person.holds(Held("keyboard", 0, person.now + TICK), pad)
        assert not intent.engaged


def test_of_two_devices_the_first_drives_until_it_is_let_go() -> None:
    person = Person()
    for _ in range(8):
        person.holds(Held("keyboard", 0, person.now + TICK), Held("touch", 0, person.now + TICK))
    both = [Held("keyboard", 0, 0, engaged=True, forward=1.0), Held("touch", 0, 0, engaged=True, turn=1.0)]

    def holds(*indices: int) -> np.ndarray:
        at = person.now + TICK
        devices = [
            Held(each.name, 0, at, i in indices, each.forward * (i in indices), 0.0, each.turn * (i in indices))
            for i, each in enumerate(both)
        ]
        return person.holds(*devices).command

    assert holds(1) == pytest.approx([0, 0, 0.6])
    assert holds(0, 1) == pytest.approx([0, 0, 0.6])
    assert holds(0) == pytest.approx([0.25, 0, 0])


def test_events_count_from_anybody_at_any_time() -> None:
    person = Person()
    person.hall.said += [Asked(Event.ESTOP), Asked(Event.NOTE, "slipped"), Audience(2)]
    intent = person.operator.read(1.0)
    assert (intent.events, intent.note, intent.engaged) == ((Event.ESTOP, Event.NOTE), "slipped", False)
    assert person.operator.read(2.0).events == ()


def test_messages_survive_the_wire() -> None:
    for message in (Hands(3, True, (Held("touch", 1, 2.0, True, 0.5),)), Asked(Event.UNDO, "x"), Audience(4)):
        assert decode_upward(encode(message)) == message


class Stage:
    """A cockpit without a process."""

    def __init__(self, pages: int = 1) -> None:
        self.pages = pages
        self.armed = True
        self.views: list[View] = []

    def show(self, view: View) -> None:
        self.views.append(decode_view(encode(view)))


def ticks(count: int) -> list[Tick]:
    robot = FakeRobot(SPEC, images=True)
    with robot:
        robot.reset()
        made = []
        for _ in range(count):
            obs = robot.observe()
            wanted = Action(SPEC.stand, np.array([0.1, 0.0, 0.2]), "policy", risk=0.25)
            made.append(Tick(obs, wanted, robot.send(wanted)))
    return made


def test_a_tick_is_shown_with_its_frames_untouched_and_each_frame_once() -> None:
    stage = Stage()
    first, second = ticks(2)
    with CockpitLog(stage, SPEC, Status) as log:
        for tick in (first, first, second):
            log.add(tick)
    assert (stage.views[-1].status.state, stage.views.pop().frames) == ("done", ())
    assert [[frame.jpeg for frame in view.frames] for view in stage.views] == [
        [first.obs.images["head"].jpeg],
        [],
        [second.obs.images["head"].jpeg],
    ]
    sample = stage.views[0].sample
    assert sample.command == (0.1, 0.0, 0.2)
    assert (sample.source, sample.risk, sample.tilt) == ("policy", 0.25, 0.0)
    assert sample.sent == tuple(SPEC.stand)
    assert [view.number for view in stage.views] == [1, 2, 3]


def test_frames_stay_at_home_while_nobody_watches() -> None:
    stage = Stage(pages=0)
    tick = ticks(1)[0]
    log = CockpitLog(stage, SPEC, Status)
    log.add(tick)
    assert stage.views[0].frames == ()
    assert "jpeg" not in vars(tick.obs.images["head"])
    stage.pages = 1
    log.add(tick)
    assert len(stage.views[1].frames) == 1


def test_tilt_is_the_angle_from_upright_and_unknown_without_an_imu() -> None:
    assert tilt(np.array([0.0, -np.sin(0.3), -np.cos(0.3)])) == pytest.approx(0.3)
    assert math.isnan(tilt(unknown(3)))


def test_takeovers_are_listed_newest_first_and_the_running_one_grows() -> None:
    past: tuple[PlotHistory, ...] = remembered((), Status(), 0.0)
    assert past == ()
    for number in range(1, LISTED + 3):
        past = remembered(past, Status(takeover=number, taken=True, reason="tilt"), 10.0 * number)
        past = remembered(past, Status(takeover=number, taken=True, reason="tilt"), 10.0 * number + 2)
        past = remembered(past, Status(takeover=number), 10.0 * number + 5)
    assert [each.number for each in past] == [7, 6, 5, 4, 3]
    assert past[0] == PlotHistory(7, "tilt", 70.0, 2.0)
