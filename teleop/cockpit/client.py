"""The loop's end of the cockpit: a web page served by a process of its own, which is started again when it dies.

Nothing here waits. The page's address, with its token, stays the same for as long as the cockpit is open.
"""

import contextlib
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
import zmq

from leash_robot.robot.host.child import python_command, socket_folder
from leash_robot.teleop.cockpit.address import serve_at
from leash_robot.teleop.cockpit.messages import Audience, PageSetup, SessionEnding, Upward, View, decode_upward, encode
from leash_robot.teleop.devices.keymap import KeyMap

LOOPBACK = "127.0.0.1"
PROGRAM = "from leash_robot.teleop.cockpit.server import main; main()"

RESTART_AFTER = 1.0
"""Shortest time between two starts of the process [s]."""

BACKLOG = 1000
"""So many messages may wait for a loop that stands still."""

FAREWELL = 3.0
"""How long the process may take to say goodbye to its pages [s]."""


@dataclass(frozen=True)
class CockpitOptions:
    """Where the page is served and what it is told."""

    folder: Path
    """Where the recordings go."""
    host: str = LOOPBACK
    """Address to bind to."""
    port: int | None = None
    """Port to bind to; None takes 8420, or any other when that is in use."""
    keys: KeyMap = field(default_factory=KeyMap)
    nice: int = 0
    """Scheduling niceness of the process."""


class Cockpit:
    """The page's process and the two sockets to it, between `__enter__` and `__exit__`."""

    def __init__(self, options: CockpitOptions) -> None:
        self._options = options
        self._token = secrets.token_urlsafe(24)
        self._opened = contextlib.ExitStack()
        self._ending = SessionEnding("the session is over")
        self.pages = 0
        """How many pages are open, as far as we have heard."""
        self.armed = False
        """Whether a device at the driver's page has rested, so that holding its dead-man drives."""

    def __enter__(self) -> Self:
        """Raises OperatorError when the address cannot be bound."""
        with contextlib.ExitStack() as opened:
            self._place = serve_at(self._options.host, self._options.port)
            self._listener = opened.enter_context(self._place.listener)
            ends = opened.enter_context(socket_folder("leash-cockpit-"))
            self._setup = self._described(ends)
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            opened.callback(context.destroy, linger=0)
            self._views = _socket(context, zmq.PUSH, ((zmq.CONFLATE, 1), (zmq.RECONNECT_IVL, 10)))
            self._views.connect(self._setup.views)
            self._hands = _socket(context, zmq.PULL, ((zmq.RCVHWM, BACKLOG),))
            self._hands.bind(self._setup.hands)
            self._start()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.ends(f"the session ended with {described(error)}", failed=True)
        self._end()
        self._opened.close()

    @property
    def url(self) -> str:
        """The page's address. Whoever knows it may watch, stop and drive the robot."""
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """All of its addresses; the first is the one to tell."""
        port = self._listener.getsockname()[1]
        hosts = (f"[{host}]" if ":" in host else host for host in self._place.hosts)
        return tuple(f"http://{host}:{port}/{self._token}/" for host in hosts)

    def ends(self, text: str, *, failed: bool = False) -> None:
        """Note how the session ended; the pages are told when the cockpit is left."""
        self._ending = SessionEnding(text, failed)

    @property
    def pid(self) -> int:
        """The page's process."""
        return self._process.pid

    def show(self, view: View) -> None:
        """Hand one view to the pages; an older one that is still on its way is replaced."""
        with contextlib.suppress(zmq.Again):
            self._views.send(encode(view), zmq.NOBLOCK)

    def heard(self) -> Iterator[Upward]:
        """What people did since the last time, oldest first. Starts a process that died again, in milliseconds."""
        if self._process.poll() is not None and time.monotonic() - self._started > RESTART_AFTER:
            self._hang_up()
            self._start()
        with contextlib.suppress(zmq.Again):
            for _ in range(BACKLOG):
                message = decode_upward(self._hands.recv(zmq.NOBLOCK))
                if isinstance(message, Audience):
                    self.pages = message.pages
                else:
                    yield message

    def _described(self, ends: str) -> PageSetup:
        keys: Mapping[str, str] = self._options.keys.keys
        return PageSetup(
            listener=self._listener.fileno(),
            names=self._place.names,
            token=self._token,
            views=f"ipc://{ends}/views",
            hands=f"ipc://{ends}/hands",
            folder=str(self._options.folder.absolute()),
            keys=dict(keys),
            nice=self._options.nice,
        )

    def _start(self) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only us; the end of its stdin ends it."""
        self._started, self.pages = time.monotonic(), 0
        self._process = subprocess.Popen(
            python_command(PROGRAM),
            stdin=subprocess.PIPE,
            pass_fds=[self._setup.listener],
            start_new_session=True,
        )
        self._lifeline = self._process.stdin
        if self._lifeline is not None:
            self._lifeline.write(msgspec.json.encode(self._setup) + b"\n")
            self._lifeline.flush()

    def _hang_up(self) -> None:
        if self._lifeline is not None:
            with contextlib.suppress(BrokenPipeError):
                self._lifeline.close()

    def _end(self) -> None:
        if self._lifeline is not None:
            with contextlib.suppress(OSError):
                self._lifeline.write(msgspec.json.encode(self._ending))
                self._lifeline.flush()
        self._hang_up()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def described(error: BaseException) -> str:
    """An ending for people: what went wrong, in one line."""
    if isinstance(error, KeyboardInterrupt):
        return "Ctrl-C in the terminal"
    line = str(error).strip().split("\n")[0]
    return f"an error: {line or type(error).__name__}"


def _socket(
    context: "zmq.Context[zmq.Socket[bytes]]", kind: int, options: tuple[tuple[int, int], ...]
) -> "zmq.Socket[bytes]":
    made = context.socket(kind)
    for option, value in options:
        made.set(option, value)
    return made
