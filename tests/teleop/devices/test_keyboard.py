"""Driving from a terminal, over real pseudo-terminals."""

import contextlib
import itertools
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.devices.keyboard import HeldKeys, Keyboard, Repeat
from leash_robot.teleop.devices.keymap import ACTIONS, DIRECTIONS, KEYS, KeyMap
from leash_robot.teleop.devices.sticks import Feel, Speeds
from leash_robot.teleop.devices.terminal import POP, PUSH, QUERY, Key, KeyDecoder, Terminal
from leash_robot.teleop.operator import Event, Guarded, Intent

TICK = 0.05


class Typist:
    """A keyboard operator on a pseudo-terminal, and a person at its other end."""

    def __init__(self, master: int, slave: int, keyboard: Keyboard) -> None:
        self.master = master
        self.slave = slave
        self.keyboard = keyboard
        self.now = 100.0
        keyboard.read(self.now)

    def type(self, keys: str | bytes = b"") -> Intent:
        """Type, let a tick pass, and read; the terminal is given time to hand over what was typed."""
        data = keys.encode() if isinstance(keys, str) else keys
        os.write(self.master, data)
        if data:
            assert select.select([self.slave], [], [], 5)[0]
        self.now += TICK
        return self.keyboard.read(self.now)


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    try:
        yield master, slave
    finally:
        os.close(slave)
        os.close(master)


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal() as (master, slave), Keyboard(fd=slave) as keyboard:
        assert heard(master, QUERY).endswith(PUSH + QUERY)
        yield Typist(master, slave, keyboard)


def heard(master: int, awaited: bytes) -> bytes:
    """What the terminal was told, up to and including `awaited`."""
    data = b""
    while not data.endswith(awaited):
        assert select.select([master], [], [], 10)[0], data
        data += os.read(master, 1)
    return data


def attributes(fd: int) -> list[Any]:
    return termios.tcgetattr(fd)


def test_characters_are_keys_whatever_their_case() -> None:
    names = [key.name for key in KeyDecoder().feed(b"wW \r\n\t\x7f\x08\x04\x00")]
    assert names == ["w", "w", "space", "enter", "enter", "tab", "backspace", "backspace", "ctrl-d", "ctrl-`"]


def test_arrows_and_unknown_sequences_are_told_apart() -> None:
    data = b"\x1b[A\x1bOB\x1b[5~\x1bOP\x1b[1;5Cw\x1b[200~\x1bw"
    assert [key.name for key in KeyDecoder().feed(data)] == ["up", "down", "right", "w", "escape", "w"]


def test_the_protocol_reports_press_repeat_release_and_control() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b[?11u") == []
    assert decoder.releases
    data = b"\x1b[119u\x1b[119;1:2u\x1b[119;1:3u\x1b[100;5u\x1b[13u\x1b[1;1:3A\x1b[97;65:1u\x1b[u\x1b[9999999999u"
    assert decoder.feed(data) == [
        Key("w"),
        Key("w", "repeat"),
        Key("w", "release"),
        Key("ctrl-d"),
        Key("enter"),
        Key("up", "release"),
        Key("a"),
    ]


def test_a_terminal_that_declines_the_protocol_has_no_releases() -> None:
    decoder = KeyDecoder()
    decoder.feed(b"\x1b[?0u")
    assert not decoder.releases


@given(
    parts=st.lists(st.sampled_from([b"w", b"\x1b[119;1:3u", b"\x1b[A", b"\x1bOA", b" ", b"\xc3\xa9", b"\x1b[?11u"])),
    cuts=st.lists(st.integers(0, 200), max_size=20),
)
def test_where_the_bytes_are_cut_makes_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data, decoder = b"".join(parts), KeyDecoder()
    whole = KeyDecoder().feed(data)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    assert [key for piece in pieces for key in decoder.feed(piece)] == whole


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_upset_the_decoder_or_stop_it(garbage: list[bytes]) -> None:
    decoder = KeyDecoder()
    for data in garbage:
        decoder.feed(data)
    decoder.feed(b"\x1b" * 3 + b"~" * 100)
    assert decoder.feed(b"w")[-1] == Key("w")


def test_an_endless_sequence_is_given_up() -> None:
    keys = KeyDecoder().feed(b"\x1b[" + b"1" * 200 + b" ")
    assert keys[-1].name == "space"


def test_a_key_drives_while_it_repeats_and_stops_soon_after() -> None:
    held, repeat = HeldKeys(), Repeat()
    assert held.take(Key("w"), 0.0, releases=False)
    assert held.held(repeat.first - 0.01)
    for step in range(10):
        assert not held.take(Key("w"), 0.5 + 0.03 * step, releases=False)
    last = 0.5 + 0.03 * 9
    assert held.held(max(last + repeat.again, repeat.first) - 0.01) == {"w"}
    assert not held.held(max(last + repeat.again, repeat.first) + 0.01)


def test_without_releases_a_new_key_replaces_the_old() -> None:
    held = HeldKeys()
    held.take(Key("w"), 0.0, releases=False)
    held.take(Key("d"), 0.1, releases=False)
    assert held.held(0.1) == {"d"}


def test_with_releases_two_keys_are_down_at_once_and_one_can_be_let_go() -> None:
    held = HeldKeys()
    held.take(Key("w"), 0.0, releases=True)
    held.take(Key("d"), 0.1, releases=True)
    for step in range(20):
        held.take(Key("d", "repeat"), 0.6 + 0.03 * step, releases=True)
    assert held.held(1.2) == {"w", "d"}
    held.take(Key("w", "release"), 1.2, releases=True)
    assert held.held(1.2) == {"d"}


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 0.5), st.sampled_from("wasd"), st.sampled_from(["press", "repeat", "release"]), st.booleans()
        ),
        max_size=40,
    ),
    quiet=st.floats(0.71, 10),
)
def test_no_key_outlives_a_silent_line(steps: list[tuple[float, str, Any, bool]], quiet: float) -> None:
    held, now = HeldKeys(), 0.0
    for passed, name, kind, releases in steps:
        now += passed
        held.take(Key(name, kind), now, releases=releases)
        assert (name in held.held(now)) == (kind != "release")
    assert not held.held(now + quiet)


def test_typing_drives_and_silence_stops(typist: Typist) -> None:
    intent = typist.type("w")
    assert intent.engaged
    assert intent.command.tolist() == [0.25, 0.0, 0.0]
    assert intent.time == typist.now
    for _ in range(20):
        intent = typist.type()
    assert not intent.engaged
    assert intent.time == typist.now


@pytest.mark.parametrize("action", DIRECTIONS)
def test_every_direction_has_its_key(typist: Typist, action: str) -> None:
    forward, left, turn = DIRECTIONS[action]
    assert typist.type(KEYS[action]).command.tolist() == [0.25 * forward, 0.08 * left, 0.6 * turn]


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.NOTE])
def test_every_event_has_its_key(typist: Typist, event: Event) -> None:
    data = {"space": " ", "enter": "\r", "ctrl-d": "\x04"}.get(KEYS[event], KEYS[event])
    assert typist.type(data).events == (event,)


def test_a_note_is_typed_and_what_is_typed_does_not_drive(typist: Typist) -> None:
    typist.type("w")
    begun = typist.type("m")
    assert (begun.events, begun.engaged) == ((), False)
    typing = typist.type("It_slipped_on wwy")
    assert (typing.events, typing.engaged) == ((Event.ESTOP,), False)
    assert not typing.command.any()
    assert "It slipped onwwy" in typing.typing
    assert not typist.type("\x7f\x7f").engaged
    kept = typist.type("\r")
    assert (kept.events, kept.note, kept.typing) == ((Event.NOTE,), "It slipped onw", "")
    assert typist.type("w").engaged


def test_an_empty_note_is_dropped(typist: Typist) -> None:
    typist.type("m")
    assert typist.type("_\r").events == ()
    assert typist.type("y").events == (Event.SUCCESS,)


def test_space_and_escape_stop_while_a_note_is_typed(typist: Typist) -> None:
    typist.type("mslipped")
    assert typist.type(" ").events == (Event.ESTOP,)
    typist.type(b"\x1b")
    assert typist.type().events == (Event.ESTOP,)
    assert "slipped" in typist.type().typing


def test_escape_stops_also_where_it_comes_as_a_single_byte(typist: Typist) -> None:
    assert typist.type(b"\x1b").events == ()
    assert typist.type().events == (Event.ESTOP,)
    assert typist.type(b"\x1b[27u").events == (Event.ESTOP,)


def test_an_arrow_that_comes_in_two_pieces_is_no_escape(typist: Typist) -> None:
    assert typist.type(b"\x1b").events == ()
    assert typist.type(b"[A").events == ()


@pytest.mark.parametrize(("letter", "moves"), [("ц", 0), ("Ц", 0), ("ф", 2), ("ς", 0), ("α", 2)])  # noqa: RUF001
def test_another_alphabets_keys_drive_by_their_place(typist: Typist, letter: str, moves: int) -> None:
    assert typist.type(letter).command[moves] > 0


def test_a_terminal_that_knows_the_place_and_the_text_of_a_key_says_both(typist: Typist) -> None:
    typist.type(b"\x1b[?31u")
    assert typist.type(b"\x1b[1094::119;1;1094u").command[0] > 0
    typist.type(b"\x1b[1094::119;1:3u")
    typist.type(b"\x1b[109;1;109u\x1b[109;1:3u")
    assert "Ц" in typist.type(b"\x1b[1094:1062:119;2;1062u").typing


def test_a_repeating_key_asks_once_but_the_e_stop_every_time(typist: Typist) -> None:
    assert typist.type("uuuu").events == (Event.UNDO,)
    assert typist.type("   ").events == (Event.ESTOP,) * 3


def test_speed_can_be_changed_within_its_bounds(typist: Typist) -> None:
    typist.type(KEYS["slower"])
    assert typist.type("w").command[0] == pytest.approx(0.2)
    for _ in range(20):
        typist.type(KEYS["slower"] + "x")
    assert typist.keyboard.scale == 0.2
    for _ in range(20):
        typist.type(KEYS["faster"] + "x")
    assert typist.keyboard.scale == 1.0


def test_keys_that_waited_while_the_loop_stood_still_do_not_drive(typist: Typist) -> None:
    os.write(typist.master, b"wwwww")
    typist.now += 1.0
    assert not typist.type("w").engaged


def test_real_releases_stop_at_once_and_allow_two_keys(typist: Typist) -> None:
    typist.type(b"\x1b[?11u")
    assert typist.keyboard.releases
    assert typist.type(b"\x1b[119u\x1b[97u").command.tolist() == [0.25, 0.0, 0.6]
    assert typist.type(b"\x1b[97;1:3u").command.tolist() == [0.25, 0.0, 0.0]
    assert not typist.type(b"\x1b[119;1:3u").engaged


def test_ctrl_c_interrupts_also_where_it_arrives_as_a_key(typist: Typist) -> None:
    with pytest.raises(KeyboardInterrupt):
        typist.type(b"\x1b[99;5u")


def test_a_keyboard_arms_and_drives_through_the_guard(typist: Typist) -> None:
    guarded = Guarded(typist.keyboard)
    for _ in range(8):
        typist.type()
        guarded.read(typist.now)
    os.write(typist.master, b"w")
    assert select.select([typist.slave], [], [], 5)[0]
    assert guarded.read(typist.now + TICK).engaged


def test_a_terminal_that_hangs_up_goes_stale_and_lets_go() -> None:
    master, slave = pty.openpty()
    with Keyboard(fd=slave) as keyboard:
        assert keyboard.read(1.0).time == 1.0
        os.close(master)
        for now in (2.0, 3.0):
            intent = keyboard.read(now)
            assert (intent.time, intent.engaged) == (1.0, False)
    os.close(slave)


def test_no_terminal_is_refused_in_one_line() -> None:
    read, write = os.pipe()
    with pytest.raises(OperatorError, match="needs a terminal"):
        Keyboard(fd=read)
    os.close(read)
    os.close(write)


def test_a_terminal_without_the_protocol_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    with terminal() as (master, slave):
        with Terminal(slave):
            pass
        assert not select.select([master], [], [], 0)[0]


def test_leaving_puts_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with terminal() as (master, slave):
        before = attributes(slave)
        with pytest.raises(ZeroDivisionError), Terminal(slave):
            assert attributes(slave) != before
            assert attributes(slave)[6][termios.VSUSP] == b"\0"
            raise ZeroDivisionError
        assert attributes(slave) == before
        assert heard(master, POP).count(POP) == 1
        assert not select.select([master], [], [], 0)[0]


DRIVER = """
import os, sys
from leash_robot.teleop.devices.terminal import Terminal
with Terminal(0) as terminal:
    os.write(1, b"ready")
    while True:
        terminal.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_put_back_whatever_kills_us(number: signal.Signals) -> None:
    with terminal() as (master, slave):
        before = attributes(slave)
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm"},
        )
        heard(master, b"ready")
        assert attributes(slave) != before
        process.send_signal(number)
        process.wait(timeout=10)
        heard(master, POP)
        assert attributes(slave) == before


def test_the_default_keys_name_every_action_once() -> None:
    rows = KeyMap().table()
    assert len(rows) == len(ACTIONS) + 1 == len({key for key, _ in rows})
    assert ("escape", "estop") in rows
    assert ("space", "estop") in rows
    assert ("q", "arc left") in rows


def test_escape_cannot_be_given_away() -> None:
    with pytest.raises(OperatorError, match="always stops"):
        KeyMap().remapped(["stop=escape"])


def test_keys_can_be_changed() -> None:
    changed = KeyMap().remapped(["forward=up", "back=down", "start=g"])
    assert (changed.action("up"), changed.action("w"), changed.action("g")) == ("forward", None, "start")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["start=w"], "the key 'w' is given to both 'forward' and 'start'"),
        (["jump=j"], "'jump=j' is not ACTION=KEY"),
        (["start"], "'start' is not ACTION=KEY"),
        (["start="], "'start=' is not ACTION=KEY"),
    ],
)
def test_conflicting_or_unknown_keys_are_refused(changes: list[str], message: str) -> None:
    with pytest.raises(OperatorError) as error:
        KeyMap().remapped(changes)
    assert message in str(error.value)


def test_a_map_must_be_complete_and_know_its_actions() -> None:
    with pytest.raises(OperatorError, match="no key is given for 'estop'"):
        KeyMap({action: key for action, key in KEYS.items() if action != "estop"})
    with pytest.raises(OperatorError, match="no action is called 'dance'"):
        KeyMap({**KEYS, "dance": "j"})


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_stick_answers_oddly_monotonically_and_within_bounds(one: float, two: float) -> None:
    feel = Feel()
    assert feel.shaped(-one) == -feel.shaped(one)
    assert abs(feel.shaped(one)) <= 1.0
    low, high = sorted((one, two))
    assert feel.shaped(low) <= feel.shaped(high)


def test_a_stick_is_dead_in_the_middle_and_full_at_the_end() -> None:
    feel = Feel(deadzone=0.1, expo=0.5)
    assert (feel.shaped(0.1), feel.shaped(-0.1), feel.shaped(1.0), feel.shaped(-7.0)) == (0.0, 0.0, 1.0, -1.0)
    assert 0 < feel.shaped(0.11) < 0.01


@pytest.mark.parametrize("feel", [(1.0, 0.0), (-0.1, 0.0), (0.1, 1.1)])
def test_a_feel_that_makes_no_sense_is_refused(feel: tuple[float, float]) -> None:
    with pytest.raises(OperatorError, match="must lie in"):
        Feel(*feel)


def test_deflections_are_clipped_before_they_become_velocities() -> None:
    assert Speeds(0.3, 0.1, 0.5).velocity(2.0, -3.0, 0.5).tolist() == [0.3, -0.1, 0.25]
