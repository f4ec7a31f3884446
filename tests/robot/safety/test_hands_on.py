"""A person's stop, a refused re-arm, a gate that hangs, a port that is away: a real gate at the small firmware."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from serial.tools import list_ports

from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import GateLatched, RearmRefused, RobotError, Stopped
from leash_robot.robot.fake import NoLog
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.posture import lying_down
from leash_robot.robot.safety import client as gate_link
from leash_robot.robot.safety.client import GateLink
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, unattended
from support.firmware import Firmware, hasten, wait_for

SPEC = load_spec()
SOON = 0.15
"""Within so long a person's stop reaches the motors [s]."""
LEVEL = (0.001, 0.001, 0.0, 0.001, 0.001, 0.001)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move, get ready and sink in a tenth of the time; nothing here has mass."""
    hasten(monkeypatch)


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Before other programs where that is permitted, as the loop runs."""
    with first_in_line(0):
        yield


@pytest.fixture
def firmware(tmp_path: Path) -> Iterator[Firmware]:
    with Firmware(tmp_path) as teensy:
        teensy.imu = LEVEL
        yield teensy


class Stand:
    """A policy that wants the stand pose and a little more."""

    def reset(self) -> None:
        return None

    def act(self, obs: Observation) -> Action:
        return Action(SPEC.stand + 0.1)


class Press:
    """Fits `Watch`: stops the robot some time after it was first asked while a condition held."""

    def __init__(self, when: Callable[[Observation], bool], after: float) -> None:
        self._when, self._after = when, after
        self.at = np.inf

    def __call__(self, obs: Observation) -> str:
        now = time.monotonic()
        if self.at == np.inf and self._when(obs):
            self.at = now + self._after
        return "STOP" if now >= self.at else ""


def halted(firmware: Firmware, pressed: float) -> float:
    """How long after the press the last new target went out, and the robot was damped or idle: whichever is later."""
    moves = [when for when, _ in changes(firmware) if when > pressed]
    released = [when for when, kp in firmware.sent("kp") if kp == 0 and when > pressed]
    released += [when for when, _ in firmware.sent("idle") if when > pressed]
    assert released, "current never went off"
    return max([min(released), *moves]) - pressed


def changes(firmware: Firmware) -> list[tuple[float, Array]]:
    sent = firmware.sent("pos")
    return [
        (when, np.array(target))
        for (_, before), (when, target) in pairwise(sent)
        if np.abs(np.array(target) - before).max() > 1e-4
    ]


def gate_of(robot: Pupper) -> GateLink:
    assert isinstance(robot._link, GateLink)
    return robot._link


# --- a person's stop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25, 0.35])
def test_a_stop_while_the_robot_stands_up_reaches_the_motors(firmware: Firmware, after: float) -> None:
    robot = Pupper(SPEC, str(firmware.path))
    robot.watch = press = Press(lambda obs: bool(firmware.sent("pos")), after)
    with robot:
        with pytest.raises(Stopped, match="STOP"):
            robot.reset()
        wait_for(lambda: firmware.gains[0] == 0)
        assert halted(firmware, press.at) <= SOON + SPEC.period
        with pytest.raises(GateLatched):
            robot.reset()


def test_a_stop_while_it_gets_ready_to_arm_keeps_the_current_off(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path))
    with robot:
        firmware.silent = True
        wait_for(lambda: robot._seen().age > 0.2)
        robot.watch = Press(lambda obs: True, 0.0)
        with pytest.raises(Stopped):
            robot.reset()
        firmware.silent = False
        time.sleep(0.3)
    assert not firmware.sent("pos")


def test_a_stop_during_homing_idles_the_motors(tmp_path: Path) -> None:
    with Firmware(tmp_path, age=0.0, homing=5.0) as teensy:
        robot = Pupper(SPEC, str(teensy.path))
        robot.watch = press = Press(lambda obs: obs.age < 1.0, 0.2)
        with pytest.raises(Stopped, match="STOP: a person stopped its homing.*power-cycled"), robot:
            pass
        wait_for(lambda: teensy.mode == "idle")
        assert halted(teensy, press.at) <= SOON


def test_a_stop_while_the_robot_lies_and_is_looked_at_keeps_it_from_standing_up(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path))
    robot.watch = Press(lambda obs: obs.age < 1.0, 0.0)
    with robot:
        wait_for(lambda: firmware.mode == "idle")
        robot.watch = unattended
        with pytest.raises(GateLatched, match="STOP"):
            robot.reset()
        robot.rearm()
        robot.reset()


def test_a_stop_while_it_lies_down_reaches_the_motors(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path))
    with robot:
        robot.reset()
        run(robot, Stand(), NoLog(), ticks=3)
        robot.watch = press = Press(lambda obs: True, 0.2)
        robot.rest()
        wait_for(lambda: firmware.gains[0] == 0)
        assert robot.gate.latched
        assert halted(firmware, press.at) <= SOON + SPEC.period


def test_a_stop_from_another_thread_reaches_a_robot_that_is_held_between_episodes(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        pressed = time.monotonic()
        threading.Thread(target=robot.stop, args=("STOP",)).start()
        wait_for(lambda: firmware.gains[0] == 0)
        assert halted(firmware, pressed) <= SOON
        assert robot.gate.cause == "STOP"
    robot.stop("nobody is there any more")


def test_a_stop_between_a_consent_and_the_stand_up_keeps_the_current_off(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.stop("STOP")
        wait_for(lambda: robot.gate.latched)
        with pytest.raises(GateLatched, match="STOP"):
            robot.reset()
        robot.rearm()
        robot.stop("STOP again")
        with pytest.raises((GateLatched, RearmRefused), match="STOP"):
            robot.reset()
        assert not firmware.sent("kp")
        robot.rearm()
        robot.reset()


# --- planned ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("road", [None, KeyboardInterrupt])
def test_a_planned_end_lies_down_before_the_current_goes_off(
    firmware: Firmware, road: type[BaseException] | None
) -> None:
    with contextlib.suppress(KeyboardInterrupt), Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        run(robot, Stand(), NoLog(), ticks=3)
        if road:
            raise road
    wait_for(lambda: firmware.mode == "idle")
    targets = np.array([target for _, target in firmware.sent("pos")])
    assert np.abs(targets - SPEC.stand).max(axis=1).min() < 1e-6
    np.testing.assert_allclose(targets[-1], SPEC.rest, atol=1e-6)
    assert np.abs(np.diff(targets, axis=0)).max() < 0.8


def test_a_fault_does_not_lie_down_first(firmware: Firmware) -> None:
    with contextlib.suppress(ZeroDivisionError), Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        run(robot, Stand(), NoLog(), ticks=3)
        raise ZeroDivisionError
    wait_for(lambda: firmware.mode == "idle")
    np.testing.assert_allclose(firmware.sent("pos")[-1][1], SPEC.stand + 0.1, atol=1e-6)


def test_a_second_interruption_lets_go_at_once(firmware: Firmware) -> None:
    def impatient(obs: Observation) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        run(robot, Stand(), NoLog(), ticks=3)
        robot.watch = impatient
        raise KeyboardInterrupt
    wait_for(lambda: firmware.mode == "idle")
    assert np.abs(np.array(firmware.sent("pos")[-1][1]) - SPEC.stand).max() < 0.2


def test_after_a_rest_the_robot_stands_up_again_without_a_person(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        robot.rest()
        wait_for(lambda: firmware.gains[0] == 0)
        assert not robot.gate.latched
        robot.reset()
        assert robot.gate.phase == "armed"


# --- re-arming ----------------------------------------------------------------------------------------------------


def test_a_robot_that_leans_is_not_stood_up_until_it_is_level(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        firmware.imu = (0.5, *LEVEL[1:])
        wait_for(lambda: robot.observe().gravity[1] < -0.4)
        with pytest.raises(RearmRefused, match=r"leans by 29 degrees, more than 15; set it level.*then re-arm"):
            robot.reset()
        wait_for(lambda: robot.gate.phase == "damped")
        firmware.imu = LEVEL
        wait_for(lambda: robot.observe().gravity[1] > -0.1)
        with pytest.raises(GateLatched):
            robot.reset()
        robot.rearm()
        robot.reset()


def test_a_robot_on_its_side_gets_no_current(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        firmware.imu = (1.5, *LEVEL[1:])
        wait_for(lambda: robot.observe().gravity[1] < -0.9)
        with pytest.raises(RearmRefused, match="leans by 86 degrees, more than 60; set it upright"):
            robot.reset()
    assert not firmware.sent("kp")


def test_a_consent_counts_once_even_if_it_is_refused(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        robot.stop("STOP")
        wait_for(lambda: robot.gate.phase == "damped")
        firmware.imu = (1.5, *LEVEL[1:])
        wait_for(lambda: robot.observe().gravity[1] < -0.9)
        robot.rearm()
        with pytest.raises(RearmRefused):
            robot.reset()
        firmware.imu = LEVEL
        wait_for(lambda: robot.observe().gravity[1] > -0.1)
        with pytest.raises(GateLatched, match="STOP"):
            robot.reset()


def test_from_any_pose_the_legs_are_folded_before_the_robot_rises(firmware: Firmware) -> None:
    sunk = np.tile([0.3, -0.6, -0.2], 4)
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        for share in np.linspace(0, 1, 20):
            robot.observe()
            robot.send(Action(SPEC.stand + share * (sunk - SPEC.stand)))
        count = len(firmware.sent("pos"))
        robot.stop("STOP")
        wait_for(lambda: robot.gate.phase == "damped")
        robot.rearm()
        robot.reset()
        targets = np.array([target for _, target in firmware.sent("pos")[count:]])
    np.testing.assert_allclose(targets[np.abs(targets - SPEC.rest).max(axis=1).argmin()], SPEC.rest, atol=1e-6)
    assert np.abs(np.diff(targets, axis=0)).max() < 0.3


# --- a gate that hangs or dies, a port that is away ---------------------------------------------------------------


def test_a_gate_that_hangs_is_an_error_within_three_tenths_of_a_second_and_is_replaced(firmware: Firmware) -> None:
    with pytest.raises(RobotError, match=r"has not answered for \d+ ms, more than 170 ms"):  # noqa: SIM117
        with Pupper(SPEC, str(firmware.path)) as robot:
            robot.reset()
            run(robot, Stand(), NoLog(), ticks=3)
            os.kill(gate_of(robot).process.pid, signal.SIGSTOP)
            began = time.monotonic()
            try:
                run(robot, Stand(), NoLog(), ticks=100)
            finally:
                noticed = time.monotonic() - began
    assert noticed < 0.3 + SPEC.period
    wait_for(lambda: firmware.gains[0] == 0)
    wait_for(lambda: firmware.mode == "idle")


def test_an_interruption_while_a_hung_gate_is_waited_for_still_switches_the_current_off(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path)).__enter__()
    robot.reset()
    gate = gate_of(robot)
    os.kill(gate.process.pid, signal.SIGSTOP)
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        gate.close()
    timer.join()
    wait_for(lambda: firmware.gains[0] == 0)
    wait_for(lambda: firmware.mode == "idle")


def test_an_interruption_while_a_gate_ends_leaves_it_to_end_by_itself(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path)).__enter__()
    robot.reset()
    gate = gate_of(robot)
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        gate.close()
    timer.join()
    assert gate.process.wait(5) == 0
    wait_for(lambda: firmware.mode == "idle")


def test_the_current_that_a_killed_gate_left_on_is_switched_off(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        gate_of(robot).process.kill()
    wait_for(lambda: firmware.mode == "idle")
    assert firmware.gains[0] == 0


def test_a_control_process_that_slept_does_not_take_its_gate_for_hung(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        time.sleep(0.6)
        assert robot.gate.phase == "armed"


def test_a_refused_rearm_names_the_port_under_which_the_robot_returned(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leash_robot.robot.bodies.gated_robot.ARMING", 1.0)
    back = SimpleNamespace(device="/dev/ttyACM1", serial_number="77")
    monkeypatch.setattr(list_ports, "comports", lambda: [back])
    with Pupper(SPEC, str(firmware.path), calibration=replace(Calibration.identity(SPEC), serial="77")) as robot:
        robot.reset()
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
        robot.rearm()
        with pytest.raises(RearmRefused, match="the same robot is /dev/ttyACM1 now: give --port /dev/ttyACM1"):
            robot.reset()
        firmware.replug()
        wait_for(lambda: robot.gate.connected)


def test_a_refused_rearm_leaves_the_robot_stopped_and_the_next_one_counts(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leash_robot.robot.bodies.gated_robot.ARMING", 1.0)
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
        robot.rearm()
        with pytest.raises(RearmRefused, match="the gate does not arm: homing is not over: no telemetry yet"):
            robot.reset()
        assert robot.gate.latched
        firmware.replug()
        wait_for(lambda: firmware.gains[0] == 0)
        robot.rearm()
        robot.reset()
        assert firmware.gains[0] > 0


def test_a_port_that_is_away_at_the_end_is_said_and_the_gate_damps_the_robot_when_it_returns(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_link, "ENDING", 0.5)
    with pytest.raises(RobotError, match=r"is away and the robot may hold its last pose: switch it off, or plug it in"):  # noqa: SIM117
        with Pupper(SPEC, str(firmware.path)) as robot:
            robot.reset()
            child = gate_of(robot).process
            firmware.unplug()
            wait_for(lambda: robot.gate.latched)
    assert child.poll() is None
    wait_for(lambda: str(Path(f"/proc/{child.pid}/fd/2").readlink()) == os.devnull)
    firmware.replug()
    wait_for(lambda: firmware.gains[0] == 0)
    assert child.wait(10) == 0
    wait_for(lambda: firmware.mode == "idle")


def test_a_gate_that_waits_for_its_port_gives_way_to_another_one(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_link, "ENDING", 0.3)
    with contextlib.suppress(RobotError), Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        child = gate_of(robot).process
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
    os.kill(child.pid, signal.SIGSTOP)
    firmware.replug()
    with Pupper(SPEC, str(firmware.path)):
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(10) == 0


def test_a_pseudo_terminal_that_is_gone_is_not_opened_again(firmware: Firmware) -> None:
    with Pupper(SPEC, os.path.realpath(firmware.path)) as robot:
        robot.reset()
        child = gate_of(robot).process
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
        firmware.replug()
        time.sleep(0.3)
        assert not robot.gate.connected
    assert child.returncode == 0


def test_a_gate_that_takes_no_more_messages_hangs(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        gate = gate_of(robot)
        os.kill(gate.process.pid, signal.SIGSTOP)
        with pytest.raises(RobotError, match="has not answered"):
            for _ in range(10_000):
                gate.stop("STOP")


def test_a_fault_while_the_port_is_away_says_that_the_robot_may_hold_its_pose(firmware: Firmware) -> None:
    with pytest.raises(ZeroDivisionError) as caught, Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
        raise ZeroDivisionError
    assert "may hold its last pose" in caught.value.__notes__[0]


def test_from_a_pose_that_is_no_stance_the_robot_lies_down_at_once() -> None:
    far = SPEC.stand + 2.0
    targets = np.array(list(lying_down(far, SPEC)))
    np.testing.assert_allclose(targets[-1], SPEC.rest)
    assert (np.diff(np.abs(targets - SPEC.rest).max(axis=1)) <= 0).all()
