"""The driver's end of the gate: starts the process, talks to it, ends it."""

import contextlib
import errno
import select
import socket
import subprocess
import time
from collections import deque

import msgspec
from serial.tools import list_ports

from robot.child import python_command
from robot.errors import PortError, RobotError
from robot.gate_messages import Ack, Arm, Command, Config, FromGate, Report, Stop, ToGate, Unopened
from robot.pupper_wire import Telemetry

COMMAND = python_command("from robot.gate import main; sys.exit(main(int(sys.argv[1])))")
"""How a gate is started; the socket's number follows."""
KEPT_FRAMES = 1000
"""States that wait for `take_frames`; ten seconds of them."""
ENDING = 2.5
"""How long the gate may take to make the robot safe; half a second more and it is killed [s]."""

_encoder = msgspec.msgpack.Encoder()
_from_gate = msgspec.msgpack.Decoder(Ack | Report | Unopened)


class GateLink:
    """A running gate. Raises RobotError from every method once the process has died."""

    def __init__(self, config: Config) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours
        self._port = config.port
        self._report = Report()
        self._frames: deque[Telemetry] = deque(maxlen=KEPT_FRAMES)
        self._tell(config)

    def wait(self, timeout: float) -> Report:
        """Wait for news; return the newest report."""
        self._receive(time.monotonic() + timeout)
        return self.poll()

    def poll(self) -> Report:
        """The newest report, without waiting."""
        while self._receive(0.0):
            pass
        return self._report

    def take_frames(self) -> list[Telemetry]:
        """The states reported since the last call, oldest first; of very many only the newest."""
        self.poll()
        frames = list(self._frames)
        self._frames.clear()
        return frames

    def ask(self, question: Arm | Command, timeout: float) -> Ack | None:
        """Send a question and wait for its answer; None when none comes in time."""
        self._tell(question)
        number = question.seq if isinstance(question, Command) else 0
        until = time.monotonic() + timeout
        while (answer := self._receive(until)) is not None:
            if isinstance(answer, Ack) and (answer.session, answer.seq) == (question.session, number):
                return answer
        return None

    def stop(self, cause: str) -> None:
        """Ask for a soft stop."""
        self._tell(Stop(cause))

    def close(self) -> None:
        """Let go: the gate makes the robot safe and ends. Bounded by 3 s."""
        self._socket.close()
        try:
            self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _tell(self, message: ToGate) -> None:
        try:
            self._socket.send(_encoder.encode(message))
        except OSError:
            raise self._death() from None

    def _receive(self, until: float) -> FromGate | None:
        """The next message, None when none comes before `until`; the newest report is kept."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        try:
            packet = self._socket.recv(65536)
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise self._death()
        message: FromGate = _from_gate.decode(packet)
        if isinstance(message, Unopened):
            raise PortError(_why_unopened(self._port, message))
        if isinstance(message, Report):
            if message.frame is not None and message.frame != self._report.frame:
                self._frames.append(message.frame)
            self._report = message
        return message

    def _death(self) -> RobotError:
        """Note: without a gate nobody can speak to the robot, and the stock firmware has no watchdog."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        code = self.process.returncode
        return RobotError(f"the gate process ended with code {code}; the robot holds its last pose: switch it off")


def _why_unopened(port: str, message: Unopened) -> str:
    """One line that says what to do about a port that cannot be opened."""
    if message.errno == errno.ENOENT:
        ports = [found.device for found in list_ports.comports()]
        return f"there is no port {port}; ports here are {ports}. Plug in the robot, or start one with `leash twin`"
    if message.errno == errno.EACCES:
        return f"no permission to open {port}: add yourself to its group, `sudo usermod -aG dialout $USER`, log in anew"
    if message.errno in {errno.EAGAIN, errno.EBUSY}:
        return f"the port {port} is in use by another program, perhaps a leash that still runs; end that first"
    return f"cannot open {port} as a serial port: {message.reason}"
