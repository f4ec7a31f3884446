"""Driving with a gamepad, fed with the bytes that the kernel would send."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import evdev
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.errors import OperatorError
from teleop import pad_events as codes
from teleop.evdev_pad import open_pad
from teleop.gamepad import RETRY, Gamepad, PadMap, find_gamepad
from teleop.operator import ARMING, STALE, Event, Guarded, Intent
from teleop.pad_events import EV_ABS, EV_KEY, EV_SYN, RECORD, PadDevice, PadState, Range

TICK = 0.05
STICK = Range(-32768, 32767)


@dataclass
class PipePad:
    """A gamepad at the end of a pipe. `down` and `axes` are what the kernel would say when asked."""

    name: str = "Test Pad"
    ranges: Mapping[int, Range] = field(
        default_factory=lambda: {codes.ABS_X: STICK, codes.ABS_Y: STICK, codes.ABS_RX: STICK, codes.ABS_Z: STICK}
    )
    down: frozenset[int] = frozenset()
    axes: dict[int, int] = field(default_factory=dict)
    closed: bool = False

    def __post_init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.axes = dict.fromkeys(self.ranges, 0) | self.axes

    def read(self) -> bytes:
        try:
            data = os.read(self._read, 4096)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.ENODEV, "No such device")
        return data

    def state(self) -> tuple[frozenset[int], Mapping[int, int]]:
        return self.down, self.axes

    def close(self) -> None:
        self.closed = True
        os.close(self._read)

    def send(self, when: float, *records: tuple[int, int, int]) -> None:
        """Type, code and value of each event, and a report after them, stamped [s]."""
        stamp = (int(when), round(when % 1 * 1e6))
        data = b"".join(RECORD.pack(*stamp, *record) for record in (*records, (EV_SYN, codes.SYN_REPORT, 0)))
        self.write(data)

    def write(self, data: bytes) -> None:
        os.write(self._write, data)

    def unplug(self) -> None:
        os.close(self._write)


class Player:
    """A person with a gamepad, and the loop that reads it."""

    def __init__(self) -> None:
        self.pads: list[PipePad] = [PipePad()]
        self.gamepad = Gamepad(self.open)
        self.now = 1000.0
        self.asked: list[str | None] = []

    def open(self, name: str | None) -> PadDevice:
        self.asked.append(name)
        if not self.pads or self.pads[-1].closed:
            raise OperatorError("no gamepad")
        return self.pads[-1]

    def does(self, *records: tuple[int, int, int]) -> Intent:
        """The pad sends events, a tick passes, and the loop reads."""
        if records:
            self.pads[-1].send(self.now, *records)
        self.now += TICK
        return self.gamepad.read(self.now)


def press(code: int) -> tuple[int, int, int]:
    return EV_KEY, code, 1


def release(code: int) -> tuple[int, int, int]:
    return EV_KEY, code, 0


def move(code: int, value: int) -> tuple[int, int, int]:
    return EV_ABS, code, value


@pytest.fixture
def player() -> Iterator[Player]:
    player = Player()
    with player.gamepad:
        player.gamepad.read(player.now)
        yield player


def test_holding_a_shoulder_button_and_moving_the_sticks_drives(player: Player) -> None:
    intent = player.does(press(codes.BTN_TR), move(codes.ABS_Y, -32768), move(codes.ABS_RX, 32767))
    assert intent.engaged
    assert intent.command == pytest.approx([0.25, 0.0, -0.6])
    assert player.does(move(codes.ABS_X, -32768)).command == pytest.approx([0.25, 0.08, -0.6])
    assert not player.does(release(codes.BTN_TR)).engaged


def test_either_shoulder_button_holds(player: Player) -> None:
    assert player.does(press(codes.BTN_TL)).engaged
    assert player.does(press(codes.BTN_TR), release(codes.BTN_TL)).engaged


def test_a_stick_near_its_middle_is_centred(player: Player) -> None:
    assert not player.does(move(codes.ABS_Y, 2000), move(codes.ABS_X, -2000)).command.any()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (codes.BTN_START, Event.START),
        (codes.BTN_SELECT, Event.STOP),
        (codes.BTN_SOUTH, Event.SUCCESS),
        (codes.BTN_EAST, Event.FAIL),
        (codes.BTN_THUMBR, Event.ESTOP),
        (codes.BTN_MODE, Event.REARM),
    ],
)
def test_buttons_ask_once_when_they_go_down(player: Player, code: int, event: Event) -> None:
    assert player.does(press(code)).events == (event,)
    assert player.does((EV_KEY, code, 2)).events == ()
    assert player.does(release(code)).events == ()
    assert player.does(press(code), release(code), press(code)).events == (event, event)


def test_an_unknown_button_does_nothing(player: Player) -> None:
    intent = player.does(press(0x2FF), (4, 4, 9))
    assert (intent.events, intent.engaged) == ((), False)


def test_a_quiet_pad_that_nobody_drives_with_is_alive(player: Player) -> None:
    player.now += 60
    assert player.does().time == player.now


def test_a_pad_that_drives_and_falls_silent_goes_stale(player: Player) -> None:
    player.does(press(codes.BTN_TR), move(codes.ABS_Y, -20000))
    heard = player.now - TICK
    ages = [player.now - player.does().time for _ in range(40)]
    assert ages[0] < STALE
    assert ages[-1] > 1.0
    assert player.does().time == pytest.approx(heard)


def test_a_stick_off_centre_that_falls_silent_goes_stale_too(player: Player) -> None:
    player.does(move(codes.ABS_Y, -20000))
    player.now += 2.0
    assert player.now - player.does().time > 1.0


def test_a_pad_that_came_back_to_life_must_rest_before_it_drives(player: Player) -> None:
    guarded = Guarded(player.gamepad)

    def tick(*records: tuple[int, int, int]) -> bool:
        if records:
            player.pads[-1].send(player.now, *records)
        player.now += TICK
        return guarded.read(player.now).engaged

    for _ in range(round(ARMING / TICK) + 2):
        assert not tick()
    assert tick(press(codes.BTN_TR), move(codes.ABS_Y, -20000))
    assert [tick() for _ in range(30)][-1] is False
    assert not any(tick(move(codes.ABS_Y, -20000 - step)) for step in range(20))
    assert not tick(release(codes.BTN_TR), move(codes.ABS_Y, 0))
    for _ in range(round(ARMING / TICK) + 1):
        tick()
    assert tick(press(codes.BTN_TR))


def test_pulling_the_plug_lets_go_and_keeps_the_last_sign_of_life(player: Player) -> None:
    last = player.does(press(codes.BTN_TR), move(codes.ABS_Y, -32768))
    player.pads[-1].unplug()
    gone = player.does()
    assert (gone.engaged, gone.time) == (False, last.time)
    assert not gone.command.any()
    assert not player.gamepad.connected
    assert player.pads[-1].closed


def test_a_pad_that_returns_is_found_again_by_its_name(player: Player) -> None:
    player.pads[-1].unplug()
    player.does()
    player.does()
    assert player.asked == [None, "Test Pad"]
    player.pads.append(PipePad(down=frozenset({codes.BTN_TR})))
    player.does()
    assert not player.gamepad.connected
    player.now += RETRY
    assert player.does().engaged
    assert player.gamepad.connected
    assert player.asked == [None, "Test Pad", "Test Pad"]


def test_no_pad_at_the_start_is_an_error() -> None:
    player = Player()
    player.pads.clear()
    with pytest.raises(OperatorError, match="no gamepad"), player.gamepad:
        pass
    assert player.gamepad.name == "gamepad"


def test_after_an_overrun_the_kernel_is_asked_where_everything_is(player: Player) -> None:
    pad = player.pads[-1]
    player.does(press(codes.BTN_TR))
    pad.axes[codes.ABS_Y], pad.down = -32768, frozenset({codes.BTN_TL})
    dropped = (EV_SYN, codes.SYN_DROPPED, 0)
    intent = player.does(dropped, press(codes.BTN_THUMBR), move(codes.ABS_Y, 5))
    assert intent.events == ()
    assert intent.command[0] == pytest.approx(0.25)
    assert intent.engaged


def test_pads_that_turn_by_z_are_understood() -> None:
    player = Player()
    player.pads = [PipePad(ranges={codes.ABS_X: STICK, codes.ABS_Y: STICK, codes.ABS_Z: Range(0, 255)})]
    with player.gamepad:
        assert player.does(move(codes.ABS_Z, 0)).command[2] == pytest.approx(0.6)


def test_a_pad_without_a_stick_never_moves_along_it() -> None:
    player = Player()
    player.pads = [PipePad(ranges={})]
    with player.gamepad:
        assert not player.does(press(codes.BTN_TR)).command.any()


@given(cuts=st.lists(st.integers(1, 23), max_size=8))
def test_records_may_arrive_in_pieces(cuts: list[int]) -> None:
    pad = PipePad()
    state = PadState(pad, 0.0)
    data = RECORD.pack(5, 250000, EV_KEY, codes.BTN_TR, 1) + RECORD.pack(5, 250000, EV_ABS, codes.ABS_Y, 7)
    pressed: list[int] = []
    for piece in [data[sum(cuts[:index]) : sum(cuts[: index + 1])] for index in range(len(cuts))]:
        pad.write(piece)
        pressed += state.update()
    pad.write(data[sum(cuts) :])
    pressed += state.update()
    assert pressed == [codes.BTN_TR]
    assert (state.axes[codes.ABS_Y], state.heard) == (7, 5.25)
    pad.unplug()
    pad.close()


@given(low=st.integers(-40000, 40000), extent=st.integers(-5, 70000), value=st.integers(-(2**31), 2**31 - 1))
def test_a_deflection_stays_within_one(low: int, extent: int, value: int) -> None:
    axis = Range(low, low + extent)
    assert -1.0 <= axis.deflection(value) <= 1.0
    if extent > 0:
        assert (axis.deflection(low), axis.deflection(low + extent)) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PadMap(("lb", "a")), "'a' is both dead-man and success"),
        (lambda: PadMap(("paddle",)), "no button is called 'paddle'"),
        (lambda: PadMap(()), "needs a dead-man button"),
        (lambda: PadMap(events={"start": Event.START}), "needs a dead-man button and one for estop"),
    ],
)
def test_a_map_that_contradicts_itself_or_cannot_stop_is_refused(make: Callable[[], PadMap], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        make()


def test_the_screen_names_the_dead_man_first() -> None:
    rows = PadMap().table()
    assert rows[0] == ("lb or rb", "hold to drive")
    assert ("press right stick", "estop") in rows


def test_a_machine_without_input_devices_says_so(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="this machine has no"):
        find_gamepad(folder=tmp_path / "input")


def test_a_machine_without_gamepads_lists_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no gamepad among the input devices \[\]"):
        find_gamepad(folder=tmp_path)


@pytest.mark.skipif(not os.access("/dev/uinput", os.W_OK), reason="/dev/uinput is absent or not writable here")
def test_a_pad_made_by_the_kernel_drives_and_unplugs() -> None:
    stick = evdev.AbsInfo(0, -32768, 32767, 16, 128, 0)
    can: dict[int, Any] = {
        EV_KEY: [codes.BTN_SOUTH, codes.BTN_TR],
        EV_ABS: [(codes.ABS_X, stick), (codes.ABS_Y, stick)],
    }
    made = evdev.UInput(can, name="leash test pad")
    with Gamepad(lambda _: open_pad(Path("/dev/input"), "leash test pad")) as gamepad:
        gamepad.read(time.monotonic())
        made.write(EV_KEY, codes.BTN_TR, 1)
        made.write(EV_ABS, codes.ABS_Y, -32768)
        made.syn()
        while not (intent := gamepad.read(time.monotonic())).engaged:
            time.sleep(0.001)
        assert intent.command[0] == pytest.approx(0.25)
        assert time.monotonic() - intent.time < 5
        made.close()
        while gamepad.connected:
            gamepad.read(time.monotonic())
