"""The twin: a Pupper v2 in MuJoCo under the stock firmware's behaviour, in a process of its own.

A client reaches it by the pseudo-terminal alone and cannot tell it from a Teensy. The owner, who started it, may also
look at the truth and use a person's hands. For use without real time see `sim.twin_machine.Twin`.
"""

import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from robot.errors import RobotError
from robot.types import Array
from sim.firmware import Variant
from sim.truth import Truth
from sim.twin_dynamics import Dynamics, load_dynamics
from sim.twin_messages import Boot, Change, Failed, Place, PowerCycle, Push, Ready, Request, Start, receive_answer, send
from sim.twin_state import SharedState, State

START_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0


@dataclass(frozen=True)
class TwinConfig:
    """Which machine, and how it starts."""

    dynamics: Dynamics | Path | None = None
    """The machine and its floor, or a YAML file that says what differs from the nominal one."""
    seed: int = 0
    """Draws sensor noise, bit errors and bumps."""
    firmware: Variant = "icm20948"
    """`icm20948` reports its IMU; `head`, the stock head, reports zeros."""
    boot: Boot = "homed"
    """`cold` boots and homes for about 6 s; `homed` starts as if that were over."""
    camera: bool = False
    """Whether the head camera runs."""
    link: Path | None = None
    """Symbolic link to the port, removed at the end."""


class TwinProcess:
    """Runs a twin for as long as the `with` lasts; it also ends when this process dies."""

    def __init__(self, config: TwinConfig | None = None) -> None:
        self.config = config or TwinConfig()
        self.port = ""
        """Path of the serial port."""
        self.cameras: dict[str, str] = {}
        """URLs of the camera streams, by name."""

    def __enter__(self) -> Self:
        self._shared = SharedState.create()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(START_TIMEOUT)
        state = self._shared.descriptor
        command = [sys.executable, "-m", "sim.twin_server", str(theirs.fileno()), str(state)]
        # Note: a session of its own, or Ctrl-C would switch the robot off before its gate has made it safe.
        self._process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(), state), stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        try:
            self.port = self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> str:
        config = self.config
        dynamics = config.dynamics if isinstance(config.dynamics, Dynamics) else load_dynamics(config.dynamics)
        link = str(config.link.absolute()) if config.link else None
        answer = self._ask(Start(dynamics, config.seed, config.firmware, config.boot, link))
        return answer.address if isinstance(answer, Ready) else ""

    def __exit__(self, *exc: object) -> None:
        self._line.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._shared.close()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def state(self) -> State:
        """The newest state, generalized coordinates included."""
        return self._shared.read()

    def truth(self) -> Truth:
        """What really is, now; costs microseconds."""
        return self.state().truth()

    def place(self) -> None:
        """A person's hands: upright on the floor at the origin, joints as they are, everything at rest."""
        self._ask(Place())

    def power_cycle(self) -> None:
        """Switch the robot off and on: it boots and homes again. The port stays."""
        self._ask(PowerCycle())

    def push(self, velocity: Array) -> None:
        """Shove the body: change its velocity at once (3,), world axes [m/s]."""
        x, y, z = (float(value) for value in velocity)
        self._ask(Push((x, y, z)))

    def set_dynamics(self, dynamics: Dynamics) -> None:
        """Become another machine in the same pose."""
        self._ask(Change(dynamics))

    def _ask(self, request: Request) -> object:
        try:
            send(self._line, request)
            answer = receive_answer(self._line)
        except OSError as error:
            raise RobotError(f"the twin's process does not answer: {error}; start it again") from None
        if answer is None:
            raise RobotError("the twin's process ended; start it again")
        if isinstance(answer, Failed):
            raise RobotError(answer.reason)
        return answer
