"""Commands without an operator, on a small firmware: a person's stop is heard, and nobody else ends a latch."""

import contextlib
import math
import os
import pty
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from leash_robot.launch.commands import collect, deploy, intervene
from leash_robot.launch.commands.calibrate import robot as calibrate_robot
from leash_robot.launch.commands.calibrate.camera import robot_stances
from leash_robot.launch.commands.data import command as data
from leash_robot.launch.commands.doctor import command as doctor
from leash_robot.launch.commands.doctor import telemetry as doctor_telemetry
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.errors import LeashError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.standing import stand
from leash_robot.robot.types import Observation, unattended
from leash_robot.teleop.operator import Event
from support.browsing import Visitor, printed
from support.firmware import BRISK_GATE, REST, Firmware, hasten, wait_for

SPEC = load_spec()
PATIENCE = 40.0
SOON = 0.15
"""Within so long a person's stop reaches the motors [s]."""
LEVEL = (0.001, 0.001, 0.0, 0.001, 0.001, 0.001)
BRISK_LEASH = f"""
import sys
from leash_robot.launch import cli
from leash_robot.launch.commands.doctor import telemetry as doctor_telemetry
from leash_robot.robot import posture
from leash_robot.robot.safety import client as gate_link
posture.RAMP = posture.STOP = posture.CALM = posture.LOWER = 0.4
posture.SETTLE = doctor_telemetry.LISTEN = 0.1
gate_link.COMMAND = (sys.executable, "-c", {BRISK_GATE!r})
sys.exit(cli.main())
"""


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Before other programs where that is permitted, as the loop runs: these tests are not about a busy machine."""
    with first_in_line(0):
        yield


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move, get ready and sink in a tenth of the time; nothing here has mass."""
    hasten(monkeypatch)
    monkeypatch.setattr(doctor_telemetry, "LISTEN", 0.1)


@pytest.fixture
def firmware(tmp_path: Path) -> Iterator[Firmware]:
    with Firmware(tmp_path) as teensy:
        teensy.imu = LEVEL
        yield teensy


def current_on(firmware: Firmware) -> list[float]:
    """When the current was switched on."""
    return [when for when, kp in firmware.sent("kp") if kp > 0]


def current_off(firmware: Firmware) -> list[float]:
    """When the joints were let go, or damped."""
    off = [when for when, kp in firmware.sent("kp") if kp == 0]
    return sorted(off + [when for when, _ in firmware.sent("idle")])


@contextlib.contextmanager
def faltering(firmware: Firmware) -> Iterator[None]:
    """A cable whose telemetry drops out in every stand-up."""
    over = threading.Event()

    def falter() -> None:
        seen = 0
        while not over.wait(0.01):
            if len(current_on(firmware)) > seen:
                seen = len(current_on(firmware))
                over.wait(0.1)
                firmware.silent = True
                over.wait(0.25)
                firmware.silent = False

    thread = threading.Thread(target=falter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def recorded(folder: Path) -> Path:
    """An episode of a robot that stands."""
    with FakeRobot(SPEC) as robot, Recorder(folder, SPEC, room=0) as recorder:
        robot.reset()
        recorder.begin()
        run(robot, Stand(SPEC), recorder, ticks=60)
    return folder / "episode_000000.mcap"


COMMANDS: dict[str, Callable[[list[str], Path], object]] = {
    "collect": lambda at, to: collect.main(
        [str(to / "data"), *at, "--operator", "scripted", "--episodes", "1", "--seconds", "1"]
    ),
    "intervene": lambda at, to: intervene.main(
        ["trot", str(to / "data"), *at, "--operator", "scripted", "--episodes", "1", "--seconds", "1"]
    ),
    "deploy": lambda at, to: deploy.main(["trot", *at, "--seconds", "3"]),
    "replay": lambda at, to: data.main(["replay", str(recorded(to)), *at]),
    "doctor": lambda at, to: doctor.main(
        [*at[2:], "--move", "--seconds", "1", "--store", str(to), "--folder", str(to)]
    ),
    "joints": lambda at, to: calibrate_robot.joints([*at, "--store", str(to), "--yes"]),
    "imu": lambda at, to: calibrate_robot.imu([*at, "--store", str(to), "--yes"]),
    "stances": lambda at, to: robot_stances(RobotOptions("pupper", at[-1], ("head=synthetic",)), "head", 3),
}


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_re_arms_without_a_person(firmware: Firmware, tmp_path: Path, name: str) -> None:
    with faltering(firmware), contextlib.suppress(LeashError):
        COMMANDS[name](["--robot", "pupper", "--port", str(firmware.path)], tmp_path)
    assert len(current_on(firmware)) == 1, "it was stood up, and stopped, and is left alone"


@pytest.mark.usefixtures("brisk")
def test_a_person_who_agrees_after_the_stop_lets_it_stand_up_again(firmware: Firmware) -> None:
    asked: list[str] = []

    def agree(cause: str) -> bool:
        asked.append(cause)
        wait_for(lambda: current_off(firmware)[-1] > current_on(firmware)[-1])
        return len(asked) < 3

    with (
        faltering(firmware),
        open_robot(RobotOptions("pupper", str(firmware.path))) as opened,
        pytest.raises(LeashError, match="see to the robot, then start again"),
    ):
        stand(opened, agree)
    assert len(current_on(firmware)) == len(asked) == 3
    assert "telemetry" in asked[0]


@pytest.mark.usefixtures("brisk")
def test_a_second_ctrl_c_lets_go_at_once_and_for_good(firmware: Firmware) -> None:
    def interrupt(_: Observation) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        robot.watch = interrupt
        with pytest.raises(KeyboardInterrupt):
            robot.rest()
        pressed = time.monotonic()
        robot.watch = unattended
        assert halted(firmware, pressed) <= SOON
        assert "Ctrl-C" in robot.gate.cause
        raise KeyboardInterrupt


@pytest.mark.usefixtures("brisk")
def test_stop_at_the_page_reaches_the_motors_and_nothing_is_written(
    firmware: Firmware, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pressed = [math.inf]

    def visit() -> None:
        with Visitor(printed(capsys)) as visitor:
            wait_for(lambda: current_on(firmware), PATIENCE)
            time.sleep(1.0)
            pressed[0] = time.monotonic()
            visitor.asks(Event.ESTOP)
            wait_for(lambda: any(when > pressed[0] for when in current_off(firmware)))

    args = ["--robot", "pupper", "--port", str(firmware.path), "--store", str(tmp_path), "--yes", "--page"]
    with ThreadPoolExecutor(1) as pool:
        visiting = pool.submit(visit)
        with pytest.raises(LeashError, match="STOP at the page"):
            calibrate_robot.imu([*args, "--page-port", "0"])
        visiting.result(PATIENCE)
    assert halted(firmware, pressed[0]) <= SOON
    assert not list(tmp_path.glob("*/*.yaml"))


class Person:
    """At the terminal of a command."""

    def __init__(self, *args: str) -> None:
        self._args = args
        self.said = ""

    def __enter__(self) -> Self:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", BRISK_LEASH, *self._args])
        self.code: int | None = None
        return self

    def __exit__(self, *exc: object) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def types(self, keys: str) -> float:
        """Type; when that was."""
        now = time.monotonic()
        os.write(self.terminal, keys.encode())
        return now

    def reads(self, text: str) -> None:
        """Read on until a text comes."""
        until = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < until, self.said
            self._look()

    def leaves(self) -> int:
        """Wait for the end; the exit code."""
        until = time.monotonic() + PATIENCE
        while self.code is None:
            assert time.monotonic() < until, self.said
            self._look()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        self._look()
        return self.code

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            if select.select([self.terminal], [], [], 0.02)[0]:
                self.said += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n] *", " ", os.read(self.terminal, 4096).decode())


def halted(firmware: Firmware, pressed: float) -> float:
    """How long after the press the last new target went out, and the robot was damped: whichever is later.

    Negative when it was damped before, as on a machine so busy that the gate waits for commands in vain.
    """
    on = current_on(firmware)[-1]
    wait_for(lambda: any(when > on for when in current_off(firmware)))
    off = next(when for when in current_off(firmware) if when > on)
    sent = [(when, np.array(target)) for when, target in firmware.sent("pos") if when > pressed]
    moved = [when for (_, before), (when, target) in pairwise(sent) if np.abs(target - before).max() > 1e-4]
    return max([off, *moved]) - pressed


@pytest.mark.parametrize("after", [0.1, 0.4, 1.5])
@pytest.mark.parametrize("command", ["deploy", "doctor", "imu"])
def test_space_reaches_the_motors_whatever_the_robot_does(
    firmware: Firmware, tmp_path: Path, command: str, after: float
) -> None:
    port = ["--port", str(firmware.path)]
    args = {
        "deploy": ["deploy", "trot", "--robot", "pupper", *port],
        "doctor": ["doctor", *port, "--move", "--store", str(tmp_path), "--folder", str(tmp_path)],
        "imu": ["calibrate", "imu", "--robot", "pupper", *port, "--store", str(tmp_path), "--yes"],
    }[command]
    with Person(*args) as person:
        person.reads("Space stops the robot at once")
        wait_for(lambda: current_on(firmware), PATIENCE)
        time.sleep(after)
        took = halted(firmware, person.types(" "))
        assert took <= SOON
        assert person.leaves() in {1, 2}
    assert "a person pressed Space" in person.said or took < 0
    assert len(current_on(firmware)) == 1


def test_space_ends_learning_on_the_robot_and_keeps_what_was_learned(firmware: Firmware, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("compiled: false\nsac: {critic_hidden: [16], actor_hidden: [16], batch: 16}\n")
    args = ["--robot", "pupper", "--port", str(firmware.path), "--config", str(plan), "--out", str(tmp_path / "run")]
    with Person("train", "sac", *args) as person:
        person.reads("Space stops the robot at once")
        wait_for(lambda: current_on(firmware), PATIENCE)
        time.sleep(1.5)
        assert halted(firmware, person.types(" ")) <= SOON
        assert person.leaves() == 2
    assert "a person pressed Space; see to it, then --resume goes on" in person.said
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert len(current_on(firmware)) == 1


def test_ctrl_c_lies_down_and_a_stop_is_heard_meanwhile_too(firmware: Firmware) -> None:
    for stop in (False, True):
        begun = len(current_on(firmware))
        with Person("deploy", "trot", "--robot", "pupper", "--port", str(firmware.path)) as person:
            wait_for(lambda: len(current_on(firmware)) > begun, PATIENCE)  # noqa: B023
            time.sleep(1.5)
            pressed = person.types("\x03")
            if stop:
                wait_for(lambda: np.abs(np.array(firmware.target) - SPEC.stand).max() < 0.01, PATIENCE)
                pressed = person.types("\x1b")
                assert halted(firmware, pressed) <= SOON
            assert person.leaves() == (1 if stop else 130)
        assert current_off(firmware)[-1] > current_on(firmware)[-1]
        lies = np.abs(np.array(firmware.target) - REST).max() < 0.05
        assert lies != stop


def test_a_session_survives_a_latch_while_it_stands_up_and_a_re_arming_without_a_cable(
    firmware: Firmware, tmp_path: Path
) -> None:
    args = ["--robot", "pupper", "--port", str(firmware.path), "--operator", "keyboard"]
    with faltering(firmware), Person("collect", str(tmp_path / "data"), *args) as person:
        wait_for(lambda: current_on(firmware) and firmware.gains[0] == 0, PATIENCE)
        time.sleep(1.0)
        assert len(current_on(firmware)) == 1, "nobody has re-armed it"
        firmware.unplug()
        time.sleep(0.5)
        person.types("r")
        time.sleep(5.0)
        assert os.waitpid(person.pid, os.WNOHANG)[0] == 0, "the session goes on"
        firmware.replug()
        firmware.silent = False
        time.sleep(1.5)
        assert len(current_on(firmware)) == 1
        person.types("r")
        wait_for(lambda: len(current_on(firmware)) == 2, PATIENCE)
        person.types("\x04")
        assert person.leaves() == 0
