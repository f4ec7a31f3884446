"""A robot that would fall without current is led to its rest pose before it is let go; its bus is polled."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.safety import core as gate_core
from leash_robot.robot.safety.client import ENDING, _ending
from leash_robot.robot.safety.config import gate_config
from leash_robot.robot.safety.core import DAMP_EVERY, RELEASE, deadline, step
from leash_robot.robot.safety.engine import INHERITED
from leash_robot.robot.safety.messages import Ack, Arm, Command, GateConfig, GateReport, Telemetry, Unopened
from leash_robot.robot.safety.process import Gate, open_line
from leash_robot.robot.safety.state import Event, GateState, Leave, Write
from leash_robot.robot.spec import load_spec
from support.desk_arm.body import BODY, CODEC
from support.desk_arm.codec import MOVE, TORQUE
from support.desk_arm.firmware import DeskArmFirmware
from support.firmware import wait_for

SPEC = load_spec(BODY.spec)
STAND = tuple(SPEC.stand.tolist())
REST = tuple(SPEC.rest.tolist())
CONFIG = replace(
    gate_config(SPEC, "port", Calibration.identity(SPEC), CODEC),
    settings={"torque": 100.0, "yielding": 40.0},
    retreat=1.0,
)


class Bench:
    """A gate core with a clock, and everything that it wrote."""

    def __init__(self, state: GateState | None = None) -> None:
        self.state, self.now = state or GateState(), 100.0
        self.writes: list[Write] = []

    def do(self, event: Event = None) -> Ack | None:
        self.state, writes, ack = step(self.state, event, self.now, CONFIG)
        self.writes += writes
        return ack

    def live(self, seconds: float, pos: tuple[float, ...] = STAND) -> None:
        for _ in range(round(seconds / 0.02)):
            self.now += 0.02
            self.do(Telemetry(self.now, self.now * 1e3, pos, (0.0,) * 3))


def armed() -> Bench:
    bench = Bench()
    bench.live(1.2)
    ack = bench.do(Arm(1, person=False))
    assert ack is not None and ack.armed
    bench.writes.clear()
    return bench


def test_a_robot_that_does_not_home_is_ready_at_its_first_state() -> None:
    bench = Bench()
    bench.do(Telemetry(bench.now, 0.0, STAND, (1.0,) * 3))
    assert bench.state.ready
    assert bench.writes == []


def test_leaving_leads_it_to_rest_at_a_bounded_speed_and_only_there_lets_go() -> None:
    bench = armed()
    bench.do(Leave("bye"))
    while not bench.state.ended:
        assert deadline(bench.state, CONFIG) > bench.now, "nobody spins"
        bench.live(0.02)
    damps = [write.target for write in bench.writes if write.kind == "damp"]
    assert damps[-1] == REST and bench.writes[-1] == RELEASE
    moves = np.abs(np.diff([STAND, *damps], axis=0))
    assert moves.max() <= CONFIG.retreat * DAMP_EVERY + 1e-9
    assert len(damps) >= 0.6 / (CONFIG.retreat * DAMP_EVERY)


def test_it_is_led_on_while_nothing_is_heard_of_it() -> None:
    bench = armed()
    while not bench.state.ended:
        bench.now = max(bench.now + 0.001, min(deadline(bench.state, CONFIG), bench.now + 0.1))
        bench.do(Leave("bye"))
    assert [write for write in bench.writes if write.kind == "damp"][-1].target == REST


def test_what_another_gate_left_begins_where_the_joints_are() -> None:
    bench = Bench(INHERITED)
    bench.live(0.3)
    damps = [write.target for write in bench.writes if write.kind in {"damp", "redamp"} and write.target]
    assert damps and abs(damps[0][1] - STAND[1]) <= CONFIG.retreat * DAMP_EVERY + 1e-9


def test_a_driver_waits_for_it_as_long_as_the_way_takes() -> None:
    assert _ending(replace(CONFIG, retreat=0.0)) == ENDING
    assert _ending(CONFIG) > ENDING + 3.0


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskArmFirmware]:
    for name in ("HEALTHY", "SINK"):
        monkeypatch.setattr(gate_core, name, 0.1)
    with DeskArmFirmware(SPEC) as firmware:
        firmware.pos = firmware.target = SPEC.stand.copy()
        firmware.torque = 100
        yield firmware


class Driver:
    """The other end of a gate in a thread."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._decoder = msgspec.msgpack.Decoder(Ack | GateReport | Unopened)

    def ask(self, question: Arm | Command) -> Ack:
        self._line.send(msgspec.msgpack.encode(question))
        while not isinstance(answer := self._decoder.decode(self._line.recv(65536)), Ack):
            pass
        return answer

    def ready(self) -> None:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            self._line.recv(65536)


@contextlib.contextmanager
def running(firmware: DeskArmFirmware) -> Iterator[tuple[Driver, Gate]]:
    """A gate in a thread; at the end of the block its driver goes away."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    config: GateConfig = replace(CONFIG, port=firmware.port)
    gate = Gate(config, open_line(firmware.port, 1_000_000), theirs)
    thread = threading.Thread(target=gate.run)
    with theirs:
        thread.start()
        try:
            driver = Driver(ours)
            driver.ready()
            yield driver, gate
        finally:
            ours.close()
            thread.join(15)
    assert not thread.is_alive()


def test_a_gate_polls_and_its_driver_that_goes_away_leaves_a_robot_that_lies(arm: DeskArmFirmware) -> None:
    with running(arm) as (driver, _):
        assert driver.ask(Arm(1, person=False)).armed
        assert driver.ask(Command(1, 1, time.monotonic(), 0.1, STAND)).refusal == ""
    wait_for(lambda: arm.torque == 0)
    assert np.abs(arm.pos - SPEC.rest).max() < 0.05, "nothing fell"
    assert [payload[0] for _, op, payload in arm.commands if op == TORQUE][-1] == 0


def test_an_exception_in_the_gate_leaves_what_would_fall_held_with_little_torque(
    arm: DeskArmFirmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with running(arm) as (driver, gate):
        assert driver.ask(Arm(1, person=False)).armed
        monkeypatch.setattr(gate, "_report", lambda: 1 // 0)
    wait_for(lambda: arm.torque == 40)
    assert [op for _, op, _ in arm.commands][-2:] == [MOVE, TORQUE]


def test_servos_that_fall_silent_stop_the_robot(arm: DeskArmFirmware) -> None:
    with running(arm) as (driver, gate):
        assert driver.ask(Arm(1, person=False)).armed
        arm.silent = True
        wait_for(lambda: gate.engine.state.phase == "damped")
        assert gate.engine.state.cause == "telemetry was silent for 100 ms"
        arm.silent = False
