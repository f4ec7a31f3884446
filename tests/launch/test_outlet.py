"""A terminal that nobody reads, or that was closed, makes nobody wait: neither the tick nor the end."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from leash_robot.launch.reporting.outlet import KEPT, Outlet
from leash_robot.teleop.devices.terminal import Terminal
from support.paths import ROOT


@pytest.fixture
def stalled() -> Iterator[tuple[int, int]]:
    """Master and slave of a terminal whose output is full and stopped, as by Ctrl-S."""
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    flags = fcntl.fcntl(slave, fcntl.F_GETFL)
    fcntl.fcntl(slave, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while os.write(slave, b"x" * 1000):
            pass
    except BlockingIOError:
        pass
    fcntl.fcntl(slave, fcntl.F_SETFL, flags)
    try:
        yield master, slave
    finally:
        termios.tcflow(slave, termios.TCOON)
        os.close(master)
        os.close(slave)


def test_what_a_stalled_terminal_does_not_take_is_dropped_at_once(
    stalled: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with os.fdopen(os.dup(stalled[1]), "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        outlet = Outlet()
        started = time.monotonic()
        for _ in range(300):
            outlet.write("y" * 1000)
        assert time.monotonic() - started < 1.0
        assert outlet.dropped >= 300_000 - KEPT - 1000
        assert not outlet.drain(0.05)
        termios.tcflow(stalled[1], termios.TCOON)
        reader = threading.Thread(target=_read_all, args=(stalled[0],), daemon=True)
        reader.start()
        assert outlet.drain(10.0)


def _read_all(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        return


def test_a_live_display_reaches_the_terminal_and_not_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            outlet = Outlet()
            console = Console(file=outlet)  # type: ignore[arg-type]
            assert console.is_terminal
            with Live(console=console, auto_refresh=False) as live:
                live.update("drawn", refresh=True)
                console.print("beside")
            assert outlet.drain(5.0)
            said = os.read(master, 65536)
            assert b"drawn" in said and b"beside" in said
    finally:
        os.close(master)


def test_a_closed_terminal_is_written_to_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        os.close(master)
        outlet = Outlet()
        outlet.write("anybody there?")
        assert outlet.drain(5.0)
        assert outlet.dropped == len("anybody there?")


def test_characters_that_the_terminal_has_not_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "said").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stderr", file)
        outlet = Outlet()
        outlet.write("● REC\n")
        assert outlet.drain(5.0)
    assert (tmp_path / "said").read_text() == "? REC\n"


def test_a_keyboard_is_left_though_its_terminal_is_stalled(stalled: tuple[int, int]) -> None:
    def use() -> None:
        with Terminal(stalled[1]):
            pass

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()


def test_ctrl_s_is_a_key_like_any_other_while_somebody_drives() -> None:
    master, slave = pty.openpty()
    try:
        with Terminal(slave):
            assert not termios.tcgetattr(slave)[0] & termios.IXON
        assert termios.tcgetattr(slave)[0] & termios.IXON
    finally:
        os.close(master)
        os.close(slave)


DRIVES = """
import sys, time
from leash_robot.launch.reporting.screen import Screen
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.policies.scripted.gait import Trot
from leash_robot.teleop.session.states import SessionState
from leash_robot.teleop.session.episodes import SessionStatus
spec, late = load_spec(), []
class Log:
    def add(self, tick):
        late.append(tick.obs.late)
        screen.add(tick)
with Screen(lambda: SessionStatus(SessionState.RECORDING, 1, 1.0, "unlabelled", {}, warnings=("w" * 60,)), 3) as screen:
    with FakeRobot(spec, MonotonicClock()) as robot:
        run(robot, Trot(spec), Log(), ticks=60)
sys.stdout.write(f"{max(late):.3f}")
"""


def test_a_session_before_a_terminal_that_nobody_reads_misses_no_tick_and_ends(stalled: tuple[int, int]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVES], stderr=stalled[1], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert float(said) < 0.5
    finally:
        process.kill()
        process.communicate()
