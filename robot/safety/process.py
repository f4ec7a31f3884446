"""The gate: a small process that alone owns the serial port, and stops the robot when the driver does not.

Started by robot/safety/client.py, with one end of a packet socket pair. Decisions are made in robot/safety/core.py,
bytes are read and made by the codec of the body; this file moves them. Measured on a 2-core machine,
alternatives beside it: acknowledgement round trip through the socket pair 8 us (shared memory with eventfd 6 us, but
without packets or end-of-file); clamp on plain floats 1.4 us (numpy 7.1 us); start without numpy 40 ms and 14 MB (with
it 140 ms and 28 MB).
"""

import contextlib
import errno
import gc
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType

import msgspec

from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.safety.core import RELEASE
from leash_robot.robot.safety.engine import Engine
from leash_robot.robot.safety.messages import Arm, Command, FromGate, GateConfig, Stop, Unopened, check
from leash_robot.robot.safety.state import Event, GateFault, Leave, Write
from leash_robot.robot.serial.line import SerialLine

REPORT_EVERY = 0.05
"""Reports come at least this often [s]."""
BACKOFF = (0.05, 1.0)
"""First and longest wait before a lost port is tried again [s]."""
BUSY_PATIENCE = 3.0
"""How long another gate may take to give the port back [s]."""
LINGER = 600.0
"""How long a gate without a driver waits for a lost port, to switch the current off when it returns [s]."""
FIFO_PRIORITY, NICENESS = 50, -15
"""Above the loop that it watches."""

_from_driver = msgspec.msgpack.Decoder(Arm | Command | Stop)
_encoder = msgspec.msgpack.Encoder()


class Gate:
    """Carries telemetry, commands and frames between the driver, the core and the port."""

    def __init__(self, config: GateConfig, line: SerialLine | None, driver: socket.socket) -> None:
        """Without a `line` the gate looks for the port by itself."""
        self.engine = Engine(config)
        self.leaving = ""
        """Set from outside to end the gate: why."""
        self.alone: Callable[[], None] = lambda: None
        """Called once it goes on without a driver and without a port."""
        self._driver = driver
        self._driver.setblocking(False)
        self._parent = os.getppid()
        self._line = line
        self._reopen_at, self._backoff = 0.0, BACKOFF[0]
        self._linger_until = math.inf
        self._reported: tuple[object, ...] = ()
        self._report_at = 0.0

    def run(self) -> None:
        """Work until the driver is gone and the robot is safe. An exception, too, leaves no current on."""
        try:
            while not self.engine.state.ended and time.monotonic() < self._linger_until:
                self._wait()
                self._reopen()
                self._poll()
                self._read_port()
                self._read_driver()
                self._step(None)
                self._report()
        finally:
            self._cut()

    def _wait(self) -> None:
        """Sleep until something arrives or is due. Note: select counts microseconds where poll rounds up to 1 ms."""
        due = min(self.engine.due, self._report_at, self.engine.poll_due if self._line else self._reopen_at)
        fds = [] if self.leaving else [self._driver.fileno()]
        fds += [self._line.fd] if self._line else []
        select.select(fds, [], [], max(0.0, due - time.monotonic()))
        if os.getppid() != self._parent:
            self.leaving = "the driver is gone"

    def _poll(self) -> None:
        """Ask a robot that sends nothing by itself for its state, when that is due."""
        if self._line and time.monotonic() >= self.engine.poll_due:
            self._write(self._line, self.engine.poll(time.monotonic()))

    def _read_port(self) -> None:
        """Take in what the firmware sent; a burst is judged frame by frame."""
        line = self._line
        if line is None:
            return
        try:
            data = line.read()
        except OSError as error:
            self._lose(line, error)
            return
        for event in self.engine.heard(data, time.monotonic()) if data else ():
            self._step(event)

    def _read_driver(self) -> None:
        """Take in what the driver asks."""
        while not self.leaving:
            try:
                packet = self._driver.recv(65536)
            except BlockingIOError:
                return
            except ConnectionResetError:
                packet = b""
            if not packet:
                self.leaving = "the driver is gone"
            else:
                self._step(_decode(packet))
        if self._line is None and self._linger_until == math.inf:
            self.alone()
        linger = LINGER if self._line or self._reopen_at < math.inf else 0.0
        self._linger_until = min(self._linger_until, time.monotonic() + linger)
        self._step(Leave(self.leaving))

    def _step(self, event: Event) -> None:
        """Let the core decide, do what it says, answer."""
        frames, ack = self.engine.step(event, time.monotonic())
        if self._line and not self._write(self._line, frames):
            ack = ack and msgspec.structs.replace(ack, refusal="the port went away", armed=False)
        if ack:
            self._send(ack)

    def _write(self, line: SerialLine, frames: Sequence[bytes]) -> bool:
        try:
            for frame in frames:
                line.write(frame)
        except OSError as error:
            self._lose(line, error)
            return False
        return True

    def _lose(self, line: SerialLine, error: OSError) -> None:
        """The port is gone: latch, and keep looking for it."""
        line.close()
        # Note: a pseudo-terminal's own number belongs to somebody else's terminal next; a link to one may be renewed
        simulated = self.engine.config.port.startswith("/dev/pts/")
        self._line, self._reopen_at = None, math.inf if simulated else time.monotonic() + self._backoff
        self._step(GateFault(f"the port {self.engine.config.port} went away ({error.strerror})", homed=False))

    def _reopen(self) -> None:
        """Try a lost port again, less and less often. What was known about the robot behind it is forgotten."""
        if self._line or time.monotonic() < self._reopen_at:
            return
        try:
            self._line = SerialLine(self.engine.config.port, self.engine.config.baud)
            self._backoff = BACKOFF[0]
            self.engine.forget()
        except OSError as error:
            self._backoff = min(2 * self._backoff, BACKOFF[1])
            self._reopen_at = time.monotonic() + self._backoff
            if self.leaving and error.errno == errno.EAGAIN:
                # Note: another gate has the port, and the robot with it
                self._linger_until = 0.0

    def _report(self) -> None:
        """Tell the driver, when there is news or it is time."""
        now, state = time.monotonic(), self.engine.state
        news = (state.phase, state.cause, state.latched, state.ready, state.seq, state.frame, self._line is None)
        if news == self._reported and now < self._report_at:
            return
        self._reported, self._report_at = news, now + REPORT_EVERY
        self._send(self.engine.report(now, connected=self._line is not None))

    def _send(self, message: FromGate) -> None:
        """Note: a driver that does not listen loses reports, but never makes the gate wait."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._driver.send(_encoder.encode(message))

    def _cut(self) -> None:
        """The last resort: whatever happened, damp, then release. Nothing to a robot that may be homing.

        Note: a robot that falls without current keeps what damping leaves it.
        """
        line = self._line
        if line is None:
            return
        with contextlib.suppress(OSError):
            state, config = self.engine.state, self.engine.config
            self._finish(line)
            if state.ready and state.phase != "off":
                self._finish(line, Write("damp", state.target))
                time.sleep(config.damp_after)
                self._finish(line, *([] if config.retreat else [RELEASE]))
        line.close()

    def _finish(self, line: SerialLine, *writes: Write) -> None:
        """Write decisions, and what the codec still holds back."""
        frames = [frame for write in writes for frame in self.engine.codec.encode(write)]
        for frame in [*frames, *self.engine.codec.flush()]:
            line.write(frame)


def _fall_silent() -> None:
    """Give up the streams inherited from the driver, or whoever reads them would wait for a gate that lingers."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
    os.close(null)


def _decode(packet: bytes) -> Event:
    try:
        event: Arm | Command | Stop = _from_driver.decode(packet)
    except msgspec.DecodeError as error:
        return GateFault(f"the driver sent something unreadable: {error}")
    return event


def open_line(path: str, baud: int = 500_000) -> SerialLine:
    """Open the port; when another gate still has it, wait for that to end. Raises OSError."""
    until = time.monotonic() + BUSY_PATIENCE
    while True:
        try:
            return SerialLine(path, baud)
        except OSError as error:
            if error.errno != errno.EAGAIN or time.monotonic() > until:
                raise
            time.sleep(0.05)


def step_forward() -> None:
    """Ask the kernel to run this process first; do without where that is not permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def main(fd: int) -> int:
    """Run a gate for the driver at the other end of the inherited socket; 0 once the robot is safe."""
    # Note: Ctrl-C reaches every process of the terminal; the gate waits for the driver's end to close instead
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(fileno=fd) as driver:
        try:
            config = check(msgspec.msgpack.decode(driver.recv(65536), type=GateConfig))
            load_codec(config)
            line = None if config.inherited else open_line(config.port, config.baud)
        except (msgspec.DecodeError, SpecError) as error:
            driver.send(_encoder.encode(Unopened(errno.EINVAL, str(error))))
            return 1
        except OSError as error:
            driver.send(_encoder.encode(Unopened(error.errno or errno.EIO, error.strerror or str(error))))
            return 1
        gate = Gate(config, line, driver)
        gate.alone = _fall_silent

        def leave(number: int, _: FrameType | None) -> None:
            gate.leaving = f"the gate was ended by signal {number}"

        signal.signal(signal.SIGTERM, leave)
        gc.collect()
        gc.freeze()
        step_forward()
        gate.run()
    return 0
