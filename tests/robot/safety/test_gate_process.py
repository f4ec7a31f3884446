"""The gate as a process: real bytes over a real pseudo-terminal, real signals, real deaths."""

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from leash_robot.robot.bodies.pupper.gate import pupper_gate
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.safety import core as gate_core
from leash_robot.robot.safety import process as gate_module
from leash_robot.robot.safety.client import COMMAND
from leash_robot.robot.safety.messages import (
    Ack,
    Arm,
    Command,
    FromGate,
    GateConfig,
    GateReport,
    Stop,
    ToGate,
    Unopened,
)
from leash_robot.robot.safety.process import Gate, open_line
from leash_robot.robot.serial.line import SerialLine
from leash_robot.robot.spec import load_spec
from support.firmware import REST, Firmware, wait_for

SPEC = load_spec()
STAND = tuple(SPEC.stand.tolist())
DECODER = msgspec.msgpack.Decoder(Ack | GateReport | Unopened)
DAMPED = {"kp": 0.0, "kd": SPEC.gains.kd, "max_current": SPEC.gains.max_current}


def config(path: str | Path, **change: object) -> GateConfig:
    return replace(pupper_gate(SPEC, str(path), Calibration.identity(SPEC)), **change)


class Driver:
    """The driver's end, with a session of its own."""

    def __init__(self, ours: socket.socket) -> None:
        self.socket = ours
        self.session = self.seq = 0
        self.report = GateReport()

    def tell(self, message: ToGate) -> None:
        self.socket.send(msgspec.msgpack.encode(message))

    def hear(self, seconds: float = 0.0) -> FromGate | None:
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        packet = self.socket.recv(65536)
        if not packet:
            return None
        message: FromGate = DECODER.decode(packet)
        if isinstance(message, GateReport):
            self.report = message
        return message

    def until(self, phase: str) -> GateReport:
        """The first report that says this phase."""
        return self.wait(lambda: self.report.phase == phase)

    def ready(self) -> GateReport:
        return self.wait(lambda: self.report.ready)

    def wait(self, what: object) -> GateReport:
        assert callable(what)
        until = time.monotonic() + 10
        while not what():
            assert time.monotonic() < until, self.report
            self.hear(0.1)
        return self.report

    def ask(self, message: Arm | Command) -> Ack:
        self.tell(message)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if isinstance(answer := self.hear(0.1), Ack):
                return answer
        raise AssertionError("no answer")

    def arm(self, *, person: bool = True) -> Ack:
        self.session, self.seq = self.session + 1, 0
        return self.ask(Arm(self.session, person))

    def command(self, target: tuple[float, ...] = STAND) -> Ack:
        self.seq += 1
        return self.ask(Command(self.session, self.seq, time.monotonic(), 0.1, target))

    def drive(self, ticks: int = 5) -> None:
        """Arm and send some commands."""
        self.ready()
        assert self.arm().refusal == ""
        for _ in range(ticks):
            assert self.command().refusal == ""
            time.sleep(0.05)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates in this process need a tenth of a second where others need one."""
    for name in ("STILL", "HEALTHY", "SINK"):
        monkeypatch.setattr(gate_core, name, 0.1)


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Before other programs where that is permitted, as the loop runs: these tests are not about a busy machine."""
    with first_in_line(0):
        yield


@pytest.fixture
def firmware(tmp_path: Path) -> Iterator[Firmware]:
    with Firmware(tmp_path) as teensy:
        yield teensy


@contextlib.contextmanager
def running(firmware: Firmware) -> Iterator[tuple[Driver, Gate, threading.Thread]]:
    """A gate in a thread of this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate = Gate(config(firmware.path), open_line(str(firmware.path)), theirs)
    thread = threading.Thread(target=gate.run)
    with ours, theirs:
        thread.start()
        yield Driver(ours), gate, thread
        ours.close()
        thread.join(5)
        assert not thread.is_alive()


@contextlib.contextmanager
def process(setup: bytes) -> Iterator[tuple[Driver, subprocess.Popen[bytes]]]:
    """A gate in a process of its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = theirs.fileno()
    child = subprocess.Popen([*COMMAND, str(fd)], pass_fds=(fd,), start_new_session=True)
    theirs.close()
    with ours:
        ours.send(setup)
        yield Driver(ours), child
        ours.close()
        assert child.wait(5) in {0, 1}


def test_nothing_is_written_while_the_robot_homes(tmp_path: Path) -> None:
    with Firmware(tmp_path, age=0.0, homing=0.5) as teensy, running(teensy) as (driver, _, _):
        driver.wait(lambda: "moving" in driver.report.waiting)
        assert "homing is not over" in driver.arm().refusal
        driver.ready()
        assert time.monotonic() > teensy._homed_at
        assert teensy.frames == []
        assert driver.arm().refusal == ""


def test_arming_writes_idle_frames_one_by_one_then_gains_then_the_present_pose(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.ready()
        assert driver.arm().target == pytest.approx(REST, abs=1e-6)
        wait_for(lambda: len(firmware.frames) == 32)
    fields = [fields for _, fields in firmware.frames[:32]]
    assert fields[:30] == [{"idle": True}] * 30
    assert fields[30] == {"kp": SPEC.gains.kp, "kd": SPEC.gains.kd, "max_current": SPEC.gains.max_current}
    assert fields[31]["pos"] == pytest.approx(REST, abs=1e-6)


def test_a_silent_driver_is_a_soft_stop_then_damped(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        held = driver.report.target
        driver.until("soft_stop")
        report = driver.until("damped")
        assert (report.latched, report.cause, report.stops) == (True, "no valid command for 150 ms", 1)
        wait_for(lambda: firmware.frames[-1][1] == DAMPED)
        assert firmware.sent("pos")[-1][1] == pytest.approx(held, abs=1e-6)
        assert "not armed" in driver.command().refusal


def test_a_driver_that_goes_away_leaves_no_current_on(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, thread):
        driver.drive()
        driver.socket.close()
        thread.join(5)
    wait_for(lambda: [fields for _, fields in firmware.frames[-3:]] == [{"idle": True}] * 3)
    fields = [fields for _, fields in firmware.frames]
    assert "pos" in fields[-5] or DAMPED in fields


def test_an_abrupt_end_of_the_connection_is_a_driver_that_went_away(firmware: Firmware) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate = Gate(config(firmware.path), open_line(str(firmware.path)), theirs)
    theirs.send(b"unread")
    ours.close()
    gate.run()
    theirs.close()
    assert gate.leaving == "the driver is gone"


def test_an_orphan_leaves(firmware: Firmware) -> None:
    with running(firmware) as (driver, gate, thread):
        driver.ready()
        gate._parent = -1
        thread.join(5)
        assert gate.leaving == "the driver is gone"


def test_a_port_that_closes_latches_and_is_opened_again_but_nothing_moves(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        firmware.unplug()
        report = driver.until("soft_stop")
        assert "went away" in report.cause
        assert not report.ready
        driver.until("damped")
        time.sleep(0.3)
        before = len(firmware.frames)
        firmware.replug()
        driver.ready()
        assert driver.report.latched
        wait_for(lambda: len(firmware.frames) > before + 30)
        assert all(fields == DAMPED for _, fields in firmware.frames[before:])
        assert "latched" in driver.arm(person=False).refusal
        assert driver.arm().refusal == ""


def test_a_port_that_refuses_a_frame_is_gone_and_the_answer_says_so(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(line: SerialLine, frame: bytes) -> None:
        raise OSError(errno.EIO, "unplugged")

    with running(firmware) as (driver, _, _):
        driver.drive()
        monkeypatch.setattr(SerialLine, "write", refuse)
        assert driver.command().refusal == "the port went away"
        assert "unplugged" in driver.until("soft_stop").cause
        monkeypatch.undo()


def test_a_reboot_latches_and_waits_for_homing(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        firmware.reboot(homing=0.5)
        report = driver.until("soft_stop")
        driver.wait(lambda: not driver.report.ready)
        assert report.latched
        last = firmware.sent("pos")[-1][0]
        driver.ready()
        assert firmware.sent("pos")[-1][0] == last


def test_silent_telemetry_latches(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        firmware.silent = True
        assert "telemetry was silent" in driver.until("soft_stop").cause


def test_an_encoder_that_slips_latches(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        firmware.pos[4] += 2.5
        assert "leapt" in driver.until("soft_stop").cause


def test_an_alarm_of_the_firmware_latches_and_other_text_is_passed_on(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive(2)
        firmware.say("Deserialize failed: NoMemory")
        driver.wait(lambda: driver.report.line == "Deserialize failed: NoMemory")
        assert driver.command().refusal == ""
        firmware.say("actuator[3] hit fault position: 6.4")
        report = driver.until("soft_stop")
        assert "hit fault position" in report.cause
        assert report.ready


def test_a_firmware_found_in_its_error_mode_is_armed_once_it_has_been_told_to_idle(firmware: Firmware) -> None:
    firmware.broken = True
    with running(firmware) as (driver, _, _):
        driver.ready()
        driver.wait(lambda: driver.report.line == "ERROR")
        driver.session = 1
        assert "'ERROR'" in driver.ask(Arm(driver.session, person=True)).refusal
        wait_for(lambda: not firmware.broken)
        wait_for(lambda: driver.arm().refusal == "")


def test_a_line_full_of_bit_errors_is_a_soft_stop(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive()
        firmware.ber = 1e-3
        assert driver.until("soft_stop").latched


def test_a_soft_stop_can_be_asked_for(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive(2)
        driver.tell(Stop("enough"))
        report = driver.until("soft_stop")
        assert (report.cause, report.stops) == ("enough", 0)


def test_an_unreadable_message_is_a_soft_stop(firmware: Firmware) -> None:
    with running(firmware) as (driver, _, _):
        driver.drive(2)
        driver.socket.send(b"\xc1 garbage")
        report = driver.until("soft_stop")
        assert "unreadable" in report.cause
        assert report.stops == 1


def test_a_driver_that_does_not_listen_does_not_hold_up_the_gate(firmware: Firmware) -> None:
    with running(firmware) as (driver, gate, _):
        driver.drive(2)
        driver.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        gate._driver.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        wait_for(lambda: gate.engine.state.phase == "damped")
        moment = gate.engine.state.frame
        wait_for(lambda: gate.engine.state.frame is not moment)


def test_an_exception_in_the_gate_leaves_no_current_on(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate = Gate(config(firmware.path), open_line(str(firmware.path)), theirs)
    driver, broken = Driver(ours), threading.Event()

    def run() -> None:
        with pytest.raises(ZeroDivisionError):
            gate.run()
        broken.set()

    with ours, theirs:
        thread = threading.Thread(target=run)
        thread.start()
        driver.drive(2)
        monkeypatch.setattr(gate, "_report", lambda: 1 // 0)
        assert broken.wait(5)
        thread.join()
    wait_for(lambda: [fields for _, fields in firmware.frames[-3:]] == [{"idle": True}] * 3)
    assert firmware.frames[-4][1] == DAMPED


def test_another_gate_is_given_time_to_end(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    first = SerialLine(str(firmware.path))
    threading.Timer(0.2, first.close).start()
    open_line(str(firmware.path)).close()
    monkeypatch.setattr(gate_module, "BUSY_PATIENCE", 0.1)
    line = SerialLine(str(firmware.path))
    with pytest.raises(BlockingIOError):
        open_line(str(firmware.path))
    line.close()


def test_priority_is_taken_where_permitted_and_done_without_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def forbid(*arguments: object) -> None:
        asked.append(arguments)
        raise PermissionError

    with monkeypatch.context() as permitted:
        permitted.setattr(os, "sched_setscheduler", lambda *arguments: asked.append(arguments))
        gate_module.step_forward()
    assert asked[0][1] == os.SCHED_FIFO
    with monkeypatch.context() as forbidden:
        forbidden.setattr(os, "sched_setscheduler", forbid)
        forbidden.setattr(os, "setpriority", forbid)
        gate_module.step_forward()
    assert asked[-1] == (os.PRIO_PROCESS, 0, gate_module.NICENESS)


# --- as a process of its own ------------------------------------------------------------------------------------


def test_the_process_serves_and_ends_when_the_driver_does(firmware: Firmware) -> None:
    with process(msgspec.msgpack.encode(config(firmware.path))) as (driver, child):
        driver.drive()
        driver.socket.close()
        assert child.wait(5) == 0
    wait_for(lambda: firmware.frames[-1][1] == {"idle": True})


def test_ctrl_c_and_a_closed_terminal_do_not_end_it_but_sigterm_does(firmware: Firmware) -> None:
    with process(msgspec.msgpack.encode(config(firmware.path))) as (driver, child):
        driver.drive(2)
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGHUP)
        assert driver.command().refusal == ""
        child.send_signal(signal.SIGTERM)
        assert "signal 15" in driver.until("soft_stop").cause
        assert child.wait(5) == 0
    wait_for(lambda: firmware.frames[-1][1] == {"idle": True})


@pytest.mark.parametrize(
    ("setup", "number"),
    [
        (msgspec.msgpack.encode(config("/nowhere/ttyACM0")), errno.ENOENT),
        (msgspec.msgpack.encode(config("/dev/null")), errno.ENOTTY),
        (msgspec.msgpack.encode(config("x", ttl=5.0)), errno.EINVAL),
        (msgspec.msgpack.encode(config("x", damp_after=0.1)), errno.EINVAL),
    ],
)
def test_a_gate_that_cannot_begin_says_why_and_ends(setup: bytes, number: int) -> None:
    with process(setup) as (driver, child):
        answer = driver.hear(5)
        assert isinstance(answer, Unopened)
        assert (answer.errno, bool(answer.reason)) == (number, True)
        assert child.wait(5) == 1


def test_the_gate_needs_neither_numpy_nor_yaml() -> None:
    heavy = ("numpy", "yaml", "cv2", "asyncio")
    code = f"import sys, leash_robot.robot.safety.process; print([n for n in {heavy} if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
