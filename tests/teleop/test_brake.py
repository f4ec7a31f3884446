"""A person's stop beside a robot that no operator drives: keys of the terminal, and whoever pulls the brake."""

import contextlib
import os
import pty
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator

import pytest

from leash_robot.robot.errors import RobotError, Stopped
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick
from leash_robot.teleop.brake import Brake, Stoppable
from leash_robot.teleop.devices import stop_keys
from leash_robot.teleop.devices.stop_keys import StopKeys, in_foreground

SPEC = load_spec()
PATIENCE = 20.0


class Hold:
    """A policy that holds the stand pose."""

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        return Action(SPEC.stand.copy())


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A terminal whose foreground we are held to be in."""
    monkeypatch.setattr(stop_keys, "in_foreground", os.isatty)
    master, slave = pty.openpty()
    try:
        yield master, slave
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize(("typed", "name"), [(b" ", "Space"), (b"\x1b", "Escape"), (b"abc \n", "Space")])
def test_space_and_escape_are_heard_at_once(monkeypatch: pytest.MonkeyPatch, typed: bytes, name: str) -> None:
    heard, names = threading.Event(), []

    def pressed(key: str) -> None:
        names.append(key)
        heard.set()

    with terminal(monkeypatch) as (master, slave), StopKeys(pressed, slave):
        os.write(master, typed)
        assert heard.wait(PATIENCE)
    assert names == [name]


def test_other_keys_stop_nothing_and_are_kept_for_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    with terminal(monkeypatch) as (master, slave), StopKeys(names.append, slave) as keys:
        os.write(master, b"\x1b[Aq")
        while keys.key(PATIENCE) != "q":
            pass
        os.write(master, b"nY")
        assert keys.key(PATIENCE) == "n"
        keys.forget()
        assert keys.key(0.0) in {"", "y"}
        assert names == []


def test_the_terminal_is_given_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as (_, slave):
        before = termios.tcgetattr(slave)
        with contextlib.suppress(ZeroDivisionError), StopKeys(lambda _: None, slave):
            assert not termios.tcgetattr(slave)[3] & termios.ICANON
            assert termios.tcgetattr(slave)[3] & termios.ISIG
            raise ZeroDivisionError
        assert termios.tcgetattr(slave) == before


def test_a_terminal_that_goes_away_ends_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_keys, "in_foreground", lambda fd: True)
    master, slave = pty.openpty()
    try:
        with StopKeys(lambda _: None, slave) as keys:
            os.close(master)
            keys._thread.join(PATIENCE)
            assert not keys._thread.is_alive()
    finally:
        os.close(slave)


def test_what_is_no_terminal_or_another_ones_is_not_listened_to() -> None:
    read, write = os.pipe()
    master, slave = pty.openpty()
    try:
        assert not in_foreground(read)
        assert not in_foreground(slave), "a terminal that we are not in the foreground of"
    finally:
        for fd in (read, write, master, slave):
            os.close(fd)


def test_a_command_in_the_foreground_is_typed_to() -> None:
    pid, master = pty.fork()
    if pid == 0:
        code = (
            "from leash_robot.teleop.devices import stop_keys; print('typed' if stop_keys.in_foreground() else 'deaf')"
        )
        os.execv(sys.executable, [sys.executable, "-c", code])
    try:
        said = b""
        while b"typed" not in said:
            assert select.select([master], [], [], PATIENCE)[0], said
            said += os.read(master, 1024)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


def test_a_pulled_brake_stops_whatever_hangs_on_it_and_stays_pulled() -> None:
    brake = Brake()
    causes: list[str] = []
    with FakeRobot(SPEC) as robot:
        obs = robot.observe()
    assert brake.watch(obs) == ""
    brake.check()
    assert not brake.holds
    with brake.on(causes.append):
        assert brake.holds
        brake.pull("a person pressed Space")
        brake.pull("STOP at the page")
    brake.pull("again")
    assert causes == ["a person pressed Space", "STOP at the page"]
    assert brake.watch(obs) == brake.cause == "a person pressed Space"
    with pytest.raises(Stopped, match="pressed Space"):
        brake.check()


def test_a_robot_that_is_opened_after_the_stop_is_stopped() -> None:
    brake = Brake()
    causes: list[str] = []
    brake.pull("STOP at the page")
    with brake.on(causes.append):
        assert causes == ["STOP at the page"]


def test_a_robot_that_cannot_be_reached_does_not_keep_the_others_from_stopping() -> None:
    def away(_: str) -> None:
        raise RobotError("the gate ended")

    brake = Brake()
    causes: list[str] = []
    with brake.on(away), brake.on(causes.append):
        brake.pull("STOP")
    assert causes == ["STOP"]


def test_a_policy_is_followed_until_a_person_stops_the_robot() -> None:
    brake = Brake()
    sources: list[str] = []

    def over(tick: Tick) -> bool:
        sources.append(tick.wanted.source)
        if len(sources) == 3:
            brake.pull("a person pressed Space")
        return len(sources) == 5

    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, Stoppable(Hold(), brake.watch), NoLog(), done=over)
    assert sources == ["policy"] * 3 + ["safety"] * 2
