"""The twin as a process behind its port: clients that come and go, owners that die, hands and truth from outside."""

import array
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

from leash_robot.launch.commands.twin import main
from leash_robot.robot.bodies.pupper.protocol import (
    TelemetryParser,
    encode_command,
    encode_gains,
    encode_target,
)
from leash_robot.robot.errors import LeashError, PortError, RobotError, SpecError
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.spec import load_spec
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.messages import StartRequest
from leash_robot.sim.twin.port import Port
from leash_robot.sim.twin.state import SharedState, TwinState, rotation
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

PATIENCE = 20.0
TIOCGEXCL = 0x80045440
STAND = load_spec().stand


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.005)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def receive(line: serial.Serial, count: int) -> list[Telemetry]:
    """Wait until this many frames have come."""
    parser, frames = TelemetryParser(), list[Telemetry]()
    limit = time.monotonic() + PATIENCE
    while len(frames) < count and time.monotonic() < limit:
        frames += parser.feed(line.read(4096), time.monotonic())
    assert len(frames) >= count
    return frames


def connect(port: str) -> serial.Serial:
    return serial.Serial(port, 500_000, timeout=0.05, exclusive=True)


@pytest.fixture(scope="module")
def shared_twin() -> Iterator[TwinProcess]:
    with TwinProcess() as twin:
        yield twin


@pytest.fixture
def twin(shared_twin: TwinProcess) -> TwinProcess:
    shared_twin.set_dynamics(TwinDynamics())
    shared_twin.place()
    return shared_twin


def test_a_client_hears_telemetry_and_is_obeyed(twin: TwinProcess) -> None:
    with connect(twin.port) as line:
        start = np.array(receive(line, 3)[-1].pos)
        line.write(encode_gains(50.0, 2.0, 7.0))
        for step in range(30):
            line.write(encode_target((start + (STAND - start) * (step + 1) / 30).tolist()))
            receive(line, 5)
        wait_for(lambda: twin.truth().height > 0.15)
        line.write(encode_command({"idle": True}))
        wait_for(lambda: twin.truth().height < 0.08)


def test_clients_may_come_and_go(twin: TwinProcess) -> None:
    stamps = []
    for _ in range(5):
        with connect(twin.port) as line:
            stamps.append(receive(line, 2)[-1].ts)
    assert stamps == sorted(stamps)


def test_a_second_exclusive_client_is_refused_while_the_first_is_there(twin: TwinProcess) -> None:
    with connect(twin.port), pytest.raises(serial.SerialException):
        connect(twin.port)


def test_the_exclusive_flag_goes_with_the_client_that_set_it(twin: TwinProcess) -> None:
    def exclusive() -> bool:
        flag = array.array("i", [-1])
        descriptor = os.open(twin.port, os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(descriptor, TIOCGEXCL, flag)
        os.close(descriptor)
        return bool(flag[0])

    first = os.open(twin.port, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(first, termios.TIOCEXCL)
    os.close(first)
    wait_for(lambda: not exclusive())


def test_a_client_that_does_not_read_is_not_waited_for(twin: TwinProcess) -> None:
    with connect(twin.port):
        lost, before = twin.state().dropped, twin.state().time
        wait_for(lambda: twin.state().dropped > lost + 5000)
        assert twin.state().time > before
    with connect(twin.port) as line:
        receive(line, 3)


def test_what_a_client_wrote_last_before_it_left_is_still_obeyed(twin: TwinProcess) -> None:
    with connect(twin.port) as line:
        line.write(encode_command({"debug": False}) * 2)
    with connect(twin.port) as line:
        line.write(encode_command({"debug": True}))
        receive(line, 3)


def test_settings_that_a_client_leaves_behind_are_undone(twin: TwinProcess) -> None:
    descriptor = os.open(twin.port, os.O_RDWR | os.O_NOCTTY)
    settings = termios.tcgetattr(descriptor)
    settings[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    os.close(descriptor)

    def raw() -> bool:
        again = os.open(twin.port, os.O_RDWR | os.O_NOCTTY)
        echo = termios.tcgetattr(again)[3] & termios.ECHO
        os.close(again)
        return not echo

    wait_for(raw)


def test_hands_and_pushes_reach_it_from_outside(twin: TwinProcess) -> None:
    twin.push(np.array([0.0, 0.0, 2.0]))
    wait_for(lambda: twin.truth().height > 0.1)
    twin.place()
    assert np.abs(twin.truth().position[:2]).max() < 1e-3
    assert twin.alive


def test_truth_moves_with_real_time(twin: TwinProcess) -> None:
    first = twin.state()
    wait_for(lambda: twin.truth().time > first.time + 0.3)
    second = twin.state()
    simulated = second.time - first.time + second.skipped - first.skipped
    assert simulated == pytest.approx(second.captured - first.captured, abs=0.05)


def test_another_machine_takes_its_place(twin: TwinProcess) -> None:
    twin.set_dynamics(TwinDynamics(slope_deg=30.0))
    wait_for(lambda: abs(twin.truth().gravity[0]) > 0.4)


def test_power_cycling_boots_behind_the_same_port() -> None:
    with TwinProcess(TwinConfig(firmware="head")) as twin, connect(twin.port) as line:
        assert receive(line, 1)[0].ts > 20_000
        twin.power_cycle()
        line.reset_input_buffer()
        text = b""
        limit = time.monotonic() + PATIENCE
        while b"p[11],v[11],\r\n" not in text and time.monotonic() < limit:
            text += line.read(4096)
        assert b"p[0],v[0]," in text
        frame = receive(line, 1)[0]
        assert frame.ts < 10_000
        assert frame.imu is None


def test_leaving_the_block_leaves_no_process_and_no_link(tmp_path: Path) -> None:
    link = tmp_path / "pupper"
    with TwinProcess(TwinConfig(link=link)) as twin:
        assert link.is_symlink()
        with connect(str(link)) as line:
            receive(line, 1)
        pid = twin.pid
    assert not running(pid)
    assert not link.is_symlink()
    assert not twin.alive
    with pytest.raises(RobotError, match="start the twin again"):
        twin.place()


def test_a_stale_link_is_replaced_and_anything_else_is_kept(tmp_path: Path) -> None:
    link = tmp_path / "pupper"
    link.symlink_to("/dev/pts/nowhere")
    with TwinProcess(TwinConfig(link=link)) as twin:
        assert str(link.readlink()) == twin.port
    link.write_text("precious")
    with pytest.raises(RobotError, match="no symbolic link"), TwinProcess(TwinConfig(link=link)):
        pass
    assert link.read_text() == "precious"
    with pytest.raises(PortError, match="cannot make the link"):
        Port(tmp_path / "missing" / "pupper")


def test_a_link_that_points_elsewhere_by_now_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "pupper"
    first, second = Port(link), Port(link)
    first.close()
    assert str(link.readlink()) == second.path
    second.close()
    assert not link.is_symlink()


def test_bad_dynamics_are_refused_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("weight: 3")
    with pytest.raises(SpecError, match="weight"), TwinProcess(TwinConfig(dynamics=file)):
        pass


def test_starting_it_twice_is_refused(twin: TwinProcess) -> None:
    with pytest.raises(RobotError, match="already"):
        twin._body.ask(StartRequest(TwinDynamics(), 0, "head", "cold", None))


def test_a_twin_that_was_killed_is_noticed() -> None:
    with TwinProcess() as twin:
        os.kill(twin.pid, signal.SIGKILL)
        wait_for(lambda: not twin.alive)
        with pytest.raises(LeashError):
            twin.place()


def test_time_that_the_machine_could_not_keep_up_with_is_skipped_and_counted(twin: TwinProcess) -> None:
    before = twin.state().skipped
    os.kill(twin.pid, signal.SIGSTOP)
    time.sleep(0.4)
    os.kill(twin.pid, signal.SIGCONT)
    wait_for(lambda: twin.state().skipped - before > 0.2)


def test_a_process_that_hangs_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leash_robot.sim.twin.child.STOP_TIMEOUT", 0.2)
    with TwinProcess() as twin:
        os.kill(twin.pid, signal.SIGSTOP)
    assert not running(twin.pid)


def test_a_process_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leash_robot.sim.twin.child.ANSWER_TIMEOUT", 1e-3)
    with pytest.raises(RobotError, match="does not answer"), TwinProcess():
        pass


def test_without_word_of_visits_the_port_works_but_keeps_what_was_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    port = Port()
    port.write(b"early")
    client = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
    assert os.read(client, 100) == b"early"
    os.write(client, b"hello")
    assert port.read() == b"hello"
    assert port.read() == b""
    assert len(port.descriptors) == 1
    os.close(client)
    port.close()


def test_a_full_port_passes_whole_pieces_on_and_drops_others() -> None:
    port = Port()
    client = os.open(port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    piece = bytes(range(256)) * 4
    for _ in range(200):
        port.write(piece)
    assert port.dropped > 0
    received = b""
    while True:
        try:
            received += os.read(client, 65536)
        except BlockingIOError:
            if not port._rest:
                break
            port.write(b"")
    assert len(received) % len(piece) == 0
    assert received == piece * (len(received) // len(piece))
    os.close(client)
    port.close()


@contextlib.contextmanager
def spawn(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, which does not outlive the block."""
    command = [
        sys.executable,
        "-c",
        "import sys; from leash_robot.launch.commands.twin import main; sys.exit(main(sys.argv[1:]))",
    ]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen([*command, *options, "--json"], stdout=pipe, stderr=null, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command_leaves_nothing_behind_however_it_ends(tmp_path: Path, sent: signal.Signals) -> None:
    link = tmp_path / "pupper"
    with spawn("--no-camera", "--boot", "homed", "--link", str(link)) as command:
        assert command.stdout is not None
        said = json.loads(command.stdout.readline())
        assert said == {"port": str(link.readlink()), "link": str(link), "cameras": {}}
        (child,) = children(command.pid)
        os.kill(command.pid, sent)
        code = command.wait(PATIENCE)
    wait_for(lambda: not running(child) and not link.is_symlink())
    assert code == (-signal.SIGKILL if sent == signal.SIGKILL else 0)


def test_the_command_says_so_when_its_twin_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(twin: TwinProcess, *_: object) -> None:
        os.kill(twin.pid, signal.SIGKILL)

    monkeypatch.setattr("leash_robot.launch.commands.twin._announce", die)
    with pytest.raises(RobotError, match="ended by itself"):
        main(["--no-camera"])


def test_shared_state_is_read_as_it_was_written_and_says_what_is_true() -> None:
    shared = SharedState.create()
    down = np.array([0.0, 0.0, -1.0])
    qpos = np.arange(19.0)
    qpos[3:7] = (np.cos(0.3), 0.0, np.sin(0.3), 0.0)
    written = TwinState(5.0, 4.0, 0.25, 7.0, qpos, np.arange(18.0), np.array([0.0, 1.0, 0.0, 2.0]), down)
    shared.write(written)
    read = shared.read()
    assert (read.captured, read.time, read.skipped, read.dropped) == (5.0, 4.0, 0.25, 7.0)
    np.testing.assert_array_equal(read.qpos, qpos)
    truth = read.truth()
    np.testing.assert_array_equal(truth.contacts, [0.0, 1.0, 0.0, 1.0])
    assert truth.tilt == pytest.approx(0.6)
    np.testing.assert_allclose(rotation(qpos[3:7]) @ truth.velocity, [0.0, 1.0, 2.0], atol=1e-12)
    shared.close()
