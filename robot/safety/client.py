"""The driver's end of the gate: starts the process, talks to it, ends it."""

import contextlib
import errno
import select
import socket
import subprocess
import time
from collections import deque
from typing import Protocol

import msgspec
from msgspec.structs import replace

from leash_robot.robot.errors import PortError, RobotError
from leash_robot.robot.host.child import python_command
from leash_robot.robot.safety.messages import (
    Ack,
    Arm,
    Command,
    FromGate,
    GateConfig,
    GateReport,
    Stop,
    StopKind,
    Telemetry,
    ToGate,
    Unopened,
)
from leash_robot.robot.serial.port_names import whereabouts

COMMAND = python_command("from leash_robot.robot.safety.process import main; sys.exit(main(int(sys.argv[1])))")
"""How a gate is started; the socket's number follows."""
KEPT_FRAMES = 1000
"""States that wait for `take_frames`; ten seconds of them."""
STARTING = 10.0
"""How long a gate may take to say its first word [s]."""
SILENT, GRACE = 0.17, 0.08
"""A gate reports 20 times a second. One that is silent for so long is given so much more, and then it hangs [s]."""
ENDING = 2.5
"""How long the gate may take to make the robot safe, and its successor, should it hang [s]; and the time that a robot
needs which is led to its rest pose before.
"""

WAITING: list[subprocess.Popen[bytes]] = []
"""Gates that were left alone, to switch the current off when their port returns; they outlive us."""

_encoder = msgspec.msgpack.Encoder()
_from_gate = msgspec.msgpack.Decoder(Ack | GateReport | Unopened)


class GateClient(Protocol):
    """The gate, as the driver speaks to it; `GateLink` runs it as a process."""

    def wait(self, timeout: float) -> GateReport:
        """Wait for news [s]; return the newest report."""
        ...

    def poll(self) -> GateReport:
        """The newest report, without waiting."""
        ...

    def take_frames(self) -> list[Telemetry]:
        """The states reported since the last call, oldest first; of very many only the newest."""
        ...

    def ask(self, question: Arm | Command, timeout: float) -> Ack | None:
        """Ask, and wait for the answer; None when none comes in time [s]."""
        ...

    def stop(self, cause: str, kind: StopKind = "soft") -> None:
        """Ask for a stop. From any thread."""
        ...

    def close(self) -> str:
        """Let go: the gate makes the robot safe and ends; what remains to be done by hand."""
        ...


class GateLink:
    """A running gate. Raises RobotError from every method once the process has died or hangs.

    `stop` may be called from any thread, everything else from one.
    """

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self._socket, self.process = _start(config)
        self._report = GateReport()
        self._frames: deque[Telemetry] = deque(maxlen=KEPT_FRAMES)
        self._heard = time.monotonic() + STARTING
        self._powered = False
        self._tell(config)

    def wait(self, timeout: float) -> GateReport:
        """Wait for news; return the newest report."""
        self._receive(time.monotonic() + timeout)
        return self.poll()

    def poll(self) -> GateReport:
        """The newest report, without waiting unless the gate has been silent for long."""
        while self._receive(0.0):
            pass
        # Note: it may be us who slept; a gate that is alive reports again before its grace is over.
        if time.monotonic() > self._heard + SILENT and self._receive(time.monotonic() + GRACE) is None:
            raise self._hung()
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

    def stop(self, cause: str, kind: StopKind = "soft") -> None:
        """Ask for a stop."""
        self._tell(Stop(cause, kind))

    def close(self) -> str:
        """Let go: the gate makes the robot safe and ends; returns what remains to be done by hand. Bounded by 6 s,
        and by the time of a robot that is led to rest.

        A gate whose port is away is left alone, to switch the current off when the port returns; one that hangs or died
        is replaced by one that only switches the current off.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        interrupted: KeyboardInterrupt | None = None
        with self._socket:
            try:
                self._watch_it_end(time.monotonic() + _ending(self._config))
            except KeyboardInterrupt as again:
                interrupted = again
        left = self._left(patient=interrupted is None)
        if interrupted is not None:
            raise interrupted
        return left

    def _left(self, *, patient: bool) -> str:
        """See to it that the current goes off; what remains to be done by hand. Nobody waits who is not `patient`."""
        if self.process.poll() is None and not self._report.connected:
            return _left_alone(self._config.port, self.process, AWAY)
        if self.process.poll() is None and not patient and time.monotonic() < self._heard + SILENT:
            # Note: it is about to end; whoever is in a hurry need not see it
            WAITING.append(self.process)
            return ""
        if self.process.poll() is None:
            self.process.kill()
        return _succeed(self._config, patient=patient) if self.process.wait() and self._powered else ""

    def _watch_it_end(self, until: float) -> None:
        """Return once the gate has ended, or says that its port is away, or the time [s] is over."""
        with contextlib.suppress(RobotError):
            while self._receive(until) is not None and self._report.connected:
                pass
        left = max(0.0, until - time.monotonic()) if self._report.connected else GRACE
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(left)

    def _tell(self, message: ToGate) -> None:
        try:
            self._socket.send(_encoder.encode(message), socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise self._hung() from None
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
        self._heard = time.monotonic()
        message: FromGate = _from_gate.decode(packet)
        self._powered |= isinstance(message, Ack) and message.armed
        self._powered |= isinstance(message, GateReport) and message.phase in {"armed", "soft_stop"}
        if isinstance(message, Unopened):
            raise PortError(_why_unopened(self._config.port, message, self._config.serial))
        if isinstance(message, GateReport):
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

    def _hung(self) -> RobotError:
        silence = max(0.0, time.monotonic() - self._heard)
        return RobotError(
            f"the gate process has not answered for {silence * 1e3:.0f} ms, more than {SILENT * 1e3:.0f} ms; "
            "the robot holds its last pose: switch it off"
        )


def _ending(config: GateConfig) -> float:
    """How long the gate may take to make the robot safe [s]."""
    if not config.retreat:
        return ENDING
    way = max(high - low for low, high in zip(config.lower, config.upper, strict=True))
    return ENDING + 1.5 * way / config.retreat


def _start(config: GateConfig) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A gate process, and our end of the socket to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [*COMMAND, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours, process


def _succeed(config: GateConfig, *, patient: bool) -> str:
    """Let another gate switch off the current that one left on; what remains to be done by hand."""
    ours, process = _start(replace(config, inherited=True))
    with ours:
        ours.send(_encoder.encode(replace(config, inherited=True)))
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        if patient:
            process.wait(_ending(config))
            return ""
    return _left_alone(config.port, process, "does not answer")


AWAY = "is away"


def _left_alone(port: str, gate: subprocess.Popen[bytes], why: str) -> str:
    """Let a gate wait for its port by itself; what remains to be done by hand."""
    WAITING.append(gate)
    return (
        f"{port} {why} and the robot may hold its last pose: switch it off, or plug it in again within "
        f"10 minutes, and the gate (process {gate.pid}) lets it sink"
    )


def _why_unopened(port: str, message: Unopened, serial: str = "") -> str:
    """One line that says what to do about a port that cannot be opened."""
    if message.errno == errno.ENOENT:
        gone = whereabouts(port, serial) or f"there was no port {port} just now; try again"
        return f"{gone}. Without a robot, `leash twin` starts a simulated one"
    if message.errno == errno.EACCES:
        return f"no permission to open {port}: add yourself to its group, `sudo usermod -aG dialout $USER`, log in anew"
    if message.errno in {errno.EAGAIN, errno.EBUSY}:
        return f"the port {port} is in use by another program, perhaps a leash that still runs; end that first"
    return f"cannot open {port} as a serial port: {message.reason}"
