"""Driving with a gamepad, fed with the bytes that the kernel would send."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import evdev
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.devices import pad_events as codes
from leash_robot.teleop.devices.evdev_pad import open_pad
from leash_robot.teleop.devices.gamepad import Gamepad, PadMap, find_gamepad
from leash_robot.teleop.devices.pad_events import EV_ABS, EV_KEY, EV_SYN, RECORD, Range
from leash_robot.teleop.devices.pad_layout import (
    Ident,
    PadLayout,
    by_kernel,
    database,
    find_layout,
    looks_like_pad,
    parsed,
)
from leash_robot.teleop.devices.pad_names import PRINTED, printed
from leash_robot.teleop.devices.pad_state import PadDevice, PadState
from leash_robot.teleop.operator import ARMING, STALE, Event, Guarded, Intent

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
    vendor: int = 0
    known: PadLayout | None = None

    @property
    def layout(self) -> PadLayout:
        return self.known or by_kernel(Ident(), self.ranges)

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

    def __init__(self, pad: PipePad | None = None) -> None:
        self.pads: list[PipePad] = [pad or PipePad()]
        self.gamepad = Gamepad(self.open, retry=0.005)
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

    def waits(self) -> None:
        """Until a lost pad is back."""
        deadline = time.monotonic() + 10
        while not self.gamepad.connected:
            assert time.monotonic() < deadline
            self.does()
            time.sleep(0.001)


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
    assert not player.gamepad.connected
    player.pads.append(PipePad(down=frozenset({codes.BTN_TR})))
    player.waits()
    assert player.does().engaged
    assert set(player.asked) == {None, "Test Pad"}


def test_no_tick_waits_while_a_lost_pad_is_looked_for(player: Player) -> None:
    """The search stands still for as long as this test wants it to; the ticks go on."""
    held, searching = threading.Event(), threading.Event()
    player.pads[-1].unplug()
    opener = player.open

    def stuck(name: str | None) -> PadDevice:
        searching.set()
        assert held.wait(10)
        return opener(name)

    player.gamepad._finder._opener = stuck
    player.does()
    assert searching.wait(10)
    assert [player.does().engaged for _ in range(100)] == [False] * 100
    player.pads.append(PipePad())
    held.set()
    player.waits()


def test_a_pad_that_is_found_when_nobody_wants_it_any_more_is_closed(player: Player) -> None:
    held, searching = threading.Event(), threading.Event()
    late = PipePad()

    def slow(_: str | None) -> PadDevice:
        searching.set()
        assert held.wait(10)
        return late

    player.gamepad._finder._opener = slow
    player.pads[-1].unplug()
    player.does()
    assert searching.wait(10)
    player.gamepad.__exit__()
    held.set()
    deadline = time.monotonic() + 10
    while not late.closed:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    late.unplug()


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


def test_a_stop_that_an_overrun_swallowed_is_heard_for_its_button_is_down(player: Player) -> None:
    player.pads[-1].down = frozenset({codes.BTN_THUMBR})
    assert player.does((EV_SYN, codes.SYN_DROPPED, 0)).events == (Event.ESTOP,)


@dataclass(frozen=True)
class Model:
    """A pad as its kernel driver describes it."""

    ident: Ident
    keys: tuple[int, ...]
    axes: Mapping[int, Range]
    presses: Mapping[str, int]
    """The code that each button sends, by what is printed on it."""
    turn: int
    """The axis of the right stick across."""

    def pad(self) -> PipePad:
        layout = find_layout(self.ident, self.keys, self.axes)
        assert layout is not None
        return PipePad(ranges=self.axes, known=layout, vendor=self.ident.vendor, axes=dict.fromkeys(self.axes, 0))


BYTE, HAT = Range(0, 255), Range(-1, 1)
DUALSENSE = Model(  # drivers/hid/hid-playstation.c
    Ident(3, 0x054C, 0x0CE6, 0x8111),
    (0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x138, 0x139, 0x13A, 0x13B, 0x13C, 0x13D, 0x13E),
    {0: BYTE, 1: BYTE, 2: BYTE, 3: BYTE, 4: BYTE, 5: BYTE, 16: HAT, 17: HAT},
    {"Cross": 0x130, "Circle": 0x131, "Triangle": 0x133, "Square": 0x134, "R3": 0x13E, "Options": 0x13B, "PS": 0x13C},
    3,
)
XBOX = Model(  # drivers/input/joystick/xpad.c
    Ident(3, 0x045E, 0x028E, 0x0114),
    (0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x13A, 0x13B, 0x13C, 0x13D, 0x13E),
    {0: STICK, 1: STICK, 2: BYTE, 3: STICK, 4: STICK, 5: BYTE, 16: HAT, 17: HAT},
    {"A": 0x130, "B": 0x131, "X": 0x133, "Y": 0x134, "right stick pressed": 0x13E, "Start": 0x13B, "Home": 0x13C},
    3,
)
LOGITECH = Model(  # drivers/hid/hid-input.c: a joystick, whose first button is 0x120
    Ident(3, 0x046D, 0xC216, 0x0110),
    tuple(range(0x120, 0x12C)),
    {0: BYTE, 1: BYTE, 2: BYTE, 5: BYTE, 16: HAT, 17: HAT},
    {"A": 0x121, "B": 0x122, "X": 0x120, "Y": 0x123, "right stick pressed": 0x12B, "Start": 0x129},
    2,
)
MODELS = pytest.mark.parametrize("model", [DUALSENSE, XBOX, LOGITECH], ids=["DualSense", "Xbox 360", "Dual Action"])


@MODELS
def test_each_button_does_what_the_screen_says_by_the_name_that_is_printed_on_it(model: Model) -> None:
    player = Player(model.pad())
    with player.gamepad as gamepad:
        said = dict(gamepad.table())
        for name, code in model.presses.items():
            assert player.does(press(code)).events == (Event(said[name]),), name
            player.does(release(code))


@MODELS
def test_the_sticks_of_each_pad_drive(model: Model) -> None:
    player = Player(model.pad())
    with player.gamepad:
        middles = [move(code, (axis.low + axis.high) // 2) for code, axis in model.axes.items()]
        assert not player.does(*middles).command.any()
        ahead = player.does(move(codes.ABS_Y, model.axes[codes.ABS_Y].low))
        assert ahead.command == pytest.approx([0.25, 0.0, 0.0])
        player.does(move(codes.ABS_Y, (model.axes[codes.ABS_Y].low + model.axes[codes.ABS_Y].high) // 2))
        assert player.does(move(model.turn, model.axes[model.turn].low)).command == pytest.approx([0.0, 0.0, 0.6])


def test_the_four_buttons_of_the_kernels_pads_are_where_the_browser_has_them() -> None:
    """The browser's standard mapping counts south, east, west, north."""
    places = {"a": "Cross", "b": "Circle", "x": "Square", "y": "Triangle"}
    layout = find_layout(DUALSENSE.ident, DUALSENSE.keys, DUALSENSE.axes)
    assert layout is not None
    assert {name: layout.buttons[name][0].code for name in places} == {
        name: DUALSENSE.presses[label] for name, label in places.items()
    }


def test_a_generic_driver_and_the_makers_own_number_the_same_pad_differently() -> None:
    generic = find_layout(Ident(3, 0x054C, 0x0CE6, 0x0111), range(0x130, 0x13F), range(6))
    unlisted = find_layout(Ident(3, 0x054C, 0x0CE6, 0x8112), DUALSENSE.keys, DUALSENSE.axes)
    assert generic is not None and unlisted is not None
    assert generic.buttons["a"][0].code == 0x131
    assert unlisted.buttons["a"][0].code == 0x130


def test_pads_that_no_database_knows_go_by_the_kernels_names_where_it_has_them() -> None:
    layout = find_layout(Ident(3, 0x1234, 0x5678, 1), [codes.BTN_SOUTH], [0, 1, 3])
    assert layout is not None
    assert (layout.name, layout.buttons["x"][0].code) == ("", codes.BTN_NORTH)
    assert by_kernel(Ident(3, 0x057E), []).buttons["x"][0].code == codes.BTN_WEST
    assert find_layout(Ident(3, 0x1234, 0x5678, 1), range(0x120, 0x12C), [0, 1]) is None


def test_a_pads_touchpad_and_sensors_are_no_pads_nor_are_keyboards_and_mice() -> None:
    assert looks_like_pad([0x120]) and looks_like_pad([codes.BTN_SOUTH]) and looks_like_pad([0x2C0])
    assert not looks_like_pad([0x110, 0x145, 0x14A]) and not looks_like_pad(range(1, 0x100)) and not looks_like_pad([])


def test_every_line_of_the_database_can_be_read_and_can_stop_and_drive() -> None:
    assert len(database()) > 250
    full = [parsed(line, range(0x120, 0x160), range(0x18)) for line in database().values()]
    assert all(layout.name for layout in full)
    assert sum({"a", "b", "right stick"} <= set(layout.buttons) and "leftx" in layout.axes for layout in full) > 200


def test_halves_of_axes_hats_and_inverted_axes_are_understood() -> None:
    ident = Ident(3, 1, 2, 3)
    fields = "+leftx:h0.2,-leftx:h0.8,lefty:a1~,rightx:a0,leftshoulder:+a2,rightshoulder:-a2,back:a3,start:b9,a:x0,dpup"
    line = f"{ident.guid},Odd Pad,{fields},"
    layout = parsed(line, [0x120], [0, 1, 2, 5, 16, 17])
    pad = PipePad(ranges={0: STICK, 1: STICK, 2: STICK, 5: BYTE, 16: HAT, 17: HAT}, known=layout)
    pad.axes[5] = 0
    state = PadState(pad, 0.0)
    assert set(layout.buttons) == {"lb", "rb", "back"}

    def after(*records: tuple[int, int, int]) -> list[str]:
        pad.send(1.0, *records)
        return state.update()

    assert after(move(16, 1)) == []
    assert state.deflection("leftx") == 1.0
    after(move(16, -1))
    assert state.deflection("leftx") == -1.0
    after(move(16, 0), move(1, 32767))
    assert (state.deflection("leftx"), state.deflection("lefty")) == (0.0, -1.0)
    assert after(move(2, 32767)) == ["lb"]
    assert after(move(2, -32768)) == ["rb"]
    assert not state.pressed("lb")
    assert after(move(5, 255)) == ["back"]
    pad.unplug()
    pad.close()


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
    pressed: list[str] = []
    data = RECORD.pack(5, 250000, EV_KEY, codes.BTN_TR, 1) + RECORD.pack(5, 250000, EV_ABS, codes.ABS_Y, 7)
    for piece in [data[sum(cuts[:index]) : sum(cuts[: index + 1])] for index in range(len(cuts))]:
        pad.write(piece)
        pressed += state.update()
    pad.write(data[sum(cuts) :])
    pressed += state.update()
    assert pressed == ["rb"]
    assert (state.deflection("lefty"), state.heard) == (STICK.deflection(7), 5.25)
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
    assert rows[0] == ("LB or RB", "hold to drive")
    assert ("right stick pressed", "estop") in rows
    assert ("Square", "undo") in PadMap().table(printed(0x054C))
    assert ("Triangle", "discard") in PadMap().table(printed(0x054C))
    assert {*PadMap().deadman, *PadMap().events} <= set.intersection(*map(set, PRINTED.values()))


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
