"""What a page says, what its time stamps mean, who may drive, and what waits for a page that is slow."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.teleop.cockpit.broker import ANYBODY, SILENT, Hub, Page
from leash_robot.teleop.cockpit.disk import RESERVE, Disk
from leash_robot.teleop.cockpit.lease import Lease
from leash_robot.teleop.cockpit.messages import (
    Asked,
    Audience,
    BodyInfo,
    Hands,
    PlotSample,
    ShownFrame,
    Status,
    Upward,
    View,
)
from leash_robot.teleop.cockpit.page import (
    QUIET,
    SPAN,
    Asking,
    FrameSeen,
    Holding,
    PageClock,
    PageDevice,
    Wheel,
    decode_message,
    held,
)
from leash_robot.teleop.cockpit.send_queue import AHEAD, SAMPLES, Outbox
from leash_robot.teleop.operator import STALE, Event

BODY = BodyInfo("robot", 20.0, ("knee",), ("head",))


def sample(time: float = 0.0) -> PlotSample:
    return PlotSample(time, 0.0, 0.0, "hold", (0.0,), (0.0,), (math.nan,) * 3, 0.0, math.nan, math.nan)


def frame(time: float = 0.0, camera: str = "head") -> ShownFrame:
    return ShownFrame(camera, time, b"jpeg")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"kind":"boss"}',
        '{"kind":"asking","event":"fly"}',
        '{"kind":"asking","event":"note","note":"' + "x" * 501 + '"}',
        '{"kind":"holding","now":1,"attentive":true,"devices":[{"name":"mouse","serial":0,"changed":0}]}',
        '{"kind":"holding","now":1,"attentive":true,"devices":[{"name":"touch","serial":0,"changed":0,"forward":1.01}]}',
        '{"kind":"holding","now":NaN,"attentive":true,"devices":[]}',
        '{"kind":"holding","now":1,"attentive":true,"devices":[],"rank":"admiral"}',
        '{"kind":"wheel","want":"keep"}',
        '{"kind":"seen","numbers":[1],"echo":0,"held":-1}',
    ],
)
def test_what_no_page_says_is_refused(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_message(text)


@given(
    offset=st.floats(-1e4, 1e4),
    delays=st.lists(st.floats(0.001, 0.03), min_size=20, max_size=50),
    stall=st.floats(0.0, 3.0),
)
def test_a_held_up_message_is_as_old_as_it_is(offset: float, delays: list[float], stall: float) -> None:
    clock = PageClock()
    for number, delay in enumerate(delays):
        made = 100.0 + number * 0.02
        arrived = made + delay
        clock.heard(made - offset, arrived)
        clock.echoed(made - 0.01, 0.0, made - 0.01 + 2 * min(delays))
    made += 0.02
    arrived = made + min(delays) + stall
    clock.heard(made - offset, arrived)
    stamp = clock.time(made - offset, arrived)
    assert stamp <= arrived
    assert stamp == pytest.approx(made, abs=1e-6)


def test_a_stamp_from_the_pages_future_is_now() -> None:
    clock = PageClock()
    clock.heard(5.0, 100.0)
    assert clock.time(7.0, 100.0) == 100.0


def test_a_burst_after_a_stall_does_not_look_alive() -> None:
    clock = PageClock()
    clock.heard(0.0, 100.0)
    for number in range(50):
        clock.heard(0.02 * number, 103.0)
        assert 103.0 - clock.time(0.02 * number, 103.0) > STALE


def test_clocks_that_drift_apart_are_followed() -> None:
    clock = PageClock()
    for number in range(3000):
        page, ours = 0.02 * number, 0.02 * number * 1.001
        clock.heard(page, ours)
    assert ours - clock.time(page, ours) < 2 * SPAN * 0.0011


def test_echoes_that_cannot_be_are_ignored() -> None:
    clock = PageClock()
    clock.echoed(sent=200.0, held=0.0, now=100.0)
    clock.echoed(sent=-5.0, held=0.0, now=100.0)
    clock.echoed(sent=math.nan, held=0.0, now=100.0)
    assert clock.trip == 0.0
    clock.echoed(sent=99.5, held=0.4, now=100.0)
    assert clock.trip == pytest.approx(0.1)


def test_a_gamepad_that_drives_without_the_slightest_change_is_lost() -> None:
    clock = PageClock()
    clock.heard(10.0, 10.0)

    def life(device: PageDevice) -> float:
        return held(device, 10_000.0, clock, 10.0).time

    long_ago = 10_000.0 - 1e3 * QUIET - 1
    assert life(PageDevice("gamepad", 1, long_ago, engaged=True)) == pytest.approx(long_ago / 1e3)
    assert life(PageDevice("gamepad", 1, long_ago, forward=0.5)) == pytest.approx(long_ago / 1e3)
    assert life(PageDevice("gamepad", 1, 10_000.0 - 900, engaged=True)) == 10.0
    assert life(PageDevice("gamepad", 1, long_ago)) == 10.0
    assert life(PageDevice("keyboard", 0, long_ago, engaged=True, forward=1.0)) == 10.0


def test_sticks_have_a_dead_zone_and_keys_have_none() -> None:
    clock = PageClock()
    clock.heard(0.0, 0.0)
    assert held(PageDevice("gamepad", 1, 0.0, forward=0.1), 0.0, clock, 0.0).forward == 0.0
    assert held(PageDevice("touch", 0, 0.0, turn=-1.0), 0.0, clock, 0.0).turn == -1.0
    assert held(PageDevice("keyboard", 0, 0.0, left=0.1), 0.0, clock, 0.0).left == 0.1


def test_the_lease_is_one_pages_until_it_is_given_or_stolen() -> None:
    lease = Lease()
    assert lease.take(1)
    assert lease.take(1)
    assert not lease.take(2)
    assert (lease.holder, lease.grip) == (1, 1)
    assert not lease.give(2)
    assert lease.take(2, steal=True)
    assert (lease.holder, lease.grip) == (2, 2)
    assert lease.give(2)
    assert lease.holder is None


def test_a_slow_page_gets_the_newest_frame_and_never_more_than_a_few_at_once() -> None:
    outbox = Outbox()
    sent = []
    for number in range(100):
        outbox.offer(sample(number), (frame(number),))
        outbox.next_view()
        sent += [json.loads(message[2 : 2 + message[0]]) for message in outbox.next_frames()]
    assert len(sent) == AHEAD["frame"]
    assert len(outbox.samples) == SAMPLES
    outbox.seen([each["number"] for each in sent])
    (newest,) = outbox.next_frames()
    assert json.loads(newest[2 : 2 + newest[0]])["time"] == 99
    assert newest.endswith(b"jpeg")


def test_views_wait_for_a_page_that_does_not_answer() -> None:
    outbox = Outbox()
    numbers = []
    for _ in range(50):
        outbox.offer(sample())
        numbers.append(outbox.next_view())
    sent = [number for number in numbers if number is not None]
    assert len(sent) == AHEAD["view"]
    outbox.seen(sent[:1])
    assert outbox.next_view() is not None
    assert outbox.next_view() is None


class House:
    """A hub, and what it told the loop."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Upward] = []
        self.hub = Hub(self.told.append, {"keys": {"estop": "space"}}, Disk(folder))

    def says(self, page: Page, message: Asking | Holding | Wheel | FrameSeen, now: float = 1.0) -> list[Upward]:
        self.told.clear()
        self.hub.take(page, message, now)
        return list(self.told)

    def sees(self, page: Page, now: float = 1.0) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.hub.messages(page, now) if isinstance(text, str)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


HELD = Holding(1000.0, attentive=True, devices=[PageDevice("keyboard", 0, 1000.0, engaged=True, forward=1.0)])


def test_the_first_page_drives_and_the_second_watches(house: House) -> None:
    first, second = house.hub.join(0.0), house.hub.join(0.0)
    assert house.sees(first)[-1]["driver"] == "you"
    assert house.sees(second)[-1]["driver"] == "other"
    (hands,) = house.says(first, HELD)
    assert isinstance(hands, Hands)
    assert hands.devices[0].engaged
    assert house.says(second, HELD) == []


def test_who_only_watches_can_stop_and_judge_but_not_drive(house: House) -> None:
    house.hub.join(0.0)
    viewer = house.hub.join(0.0)
    house.sees(viewer)
    for event in Event:
        told = house.says(viewer, Asking(event))
        assert told == ([Asked(event)] if event in ANYBODY else [])
        refused = [line["text"] for line in house.sees(viewer) if line["kind"] == "refused"]
        assert bool(refused) == (event not in ANYBODY)
    assert {Event.ESTOP, Event.SUCCESS, Event.FAIL, Event.DISCARD, Event.UNDO, Event.NOTE} == ANYBODY


def test_a_viewer_that_comes_or_goes_does_not_disturb_the_driver(house: House) -> None:
    driver = house.hub.join(0.0)
    house.says(driver, HELD)
    house.told.clear()
    house.hub.leave(house.hub.join(0.0))
    assert house.told == [Audience(2), Audience(1)]


def test_the_wheel_is_only_taken_from_somebody_by_saying_so(house: House) -> None:
    first, second = house.hub.join(0.0), house.hub.join(0.0)
    assert not any(isinstance(told, Hands) for told in house.says(second, Wheel("take")))
    assert "somebody else drives" in house.sees(second)[1]["text"]
    assert house.says(second, Wheel("steal"))[0] == Hands(2)
    assert house.says(first, HELD) == []
    assert house.sees(first)[-1]["driver"] == "other"
    house.says(second, Wheel("give"))
    assert house.sees(second)[-1]["driver"] == "nobody"


def test_a_driver_who_leaves_lets_go_at_once_and_nobody_inherits(house: House) -> None:
    first, second = house.hub.join(0.0), house.hub.join(0.0)
    house.says(first, HELD)
    house.told.clear()
    house.hub.leave(first)
    house.hub.leave(first)
    assert house.told == [Hands(2), Audience(1)]
    assert house.sees(second)[-1]["driver"] == "nobody"
    assert house.hub.join(0.0) and house.sees(second)[-1]["driver"] == "other"


def test_silent_pages_are_found(house: House) -> None:
    page = house.hub.join(0.0)
    assert house.hub.beat(SILENT) == []
    assert house.hub.beat(SILENT + 0.1) == [page]
    house.says(page, FrameSeen([], 0.0, 0.0), now=SILENT)
    assert house.hub.beat(SILENT + 0.1) == []


def test_a_view_says_what_is_known_and_the_body_once(house: House) -> None:
    page = house.hub.join(0.0)
    assert "status" not in house.sees(page)[-1]
    house.hub.show(View(7, BODY, sample(), Status(kept=2), frames=(frame(),)), 1.0)
    house.hub.beat(1.2)
    view = house.sees(page, 1.5)[-1]
    assert (view["tick"], view["since"], view["pages"]) == (7, 0.5, 1)
    assert view["status"]["kept"] == 2
    assert view["samples"][0]["risk"] is None
    assert view["body"]["joints"] == ["knee"]
    assert view["disk"] > 0
    house.hub.show(View(8, BODY, sample(), Status()), 2.0)
    assert "body" not in house.sees(page, 2.0)[-1]


def test_the_farewell_says_why(house: House) -> None:
    page = house.hub.join(0.0)
    house.hub.farewell("that was it")
    assert {"kind": "bye", "text": "that was it", "failed": False} in house.sees(page)


def test_a_page_that_was_let_go_of_is_not_heard_any_more(house: House) -> None:
    page = house.hub.join(0.0)
    house.hub.leave(page)
    assert page.outbox.stirred.is_set()
    assert house.says(page, Wheel("take")) == []
    assert house.hub.join(1.0) and house.hub.beat(1.0) == []
    other = house.hub.pages[0]
    assert house.sees(other)[-1]["driver"] == "you"


def test_the_disk_lasts_as_long_as_the_frames_are_small(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "not" / "there" / "yet")
    before = disk.minutes()
    for _ in range(500):
        disk.saw(View(1, BODY, sample(), Status(), frames=(ShownFrame("head", 0.0, bytes(50_000)),)))
    assert 0 < disk.minutes() < before / 20
    full = Disk(tmp_path, per_tick=1e30 * RESERVE)
    assert full.minutes() < 1e-9
