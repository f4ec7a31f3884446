"""The control process's end of the recorder: a child process that is started again when it dies, and loses nothing.

Every item handed over is kept until the recorder says that it is safe. After a restart the rest is handed over
again, a little at a time; the recorder leaves out what it finds in the file. Nothing here waits, except where it says
so: a process is started, and its last words are read, by a thread.
"""

import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from leash_robot.robot.host.child import python_command, socket_folder
from leash_robot.robot.recording.messages import (
    Begin,
    EpisodeDone,
    EpisodeFailed,
    Finish,
    NoteMessage,
    Quit,
    RecorderSetup,
    Safe,
    Take,
    decode_reply,
    encode,
)

CAPACITY = 64 << 20
"""Bytes kept for a recorder that does not keep up: about a minute of one camera."""
RESTART_AFTER = 0.5
"""Shortest time between two starts of the process [s]; doubled for each start that came to nothing."""
BURST = 1 << 20
"""Bytes that are sent at once; the rest of a backlog follows with the next ticks."""
OVERHEAD = 1000
"""What an item costs to send besides its bytes, counted in bytes."""
LINGER = 2.0
"""How long a program that ends waits for a recorder to take what is left [s]; it finishes that by itself."""
FRUITLESS = 2
"""So many starts that came to nothing, one after another, are worth mentioning."""
PROGRAM = "from leash_robot.robot.recording.worker import main; main(sys.argv[1], int(sys.argv[2]), sys.argv[3])"


ENDING = 10.0
"""How long a process that has nothing left to do may take to end [s]."""

_left: list[subprocess.Popen[bytes]] = []
"""Processes that finish by themselves what they were given."""

Started = tuple[subprocess.Popen[bytes], str]
"""A process, and the last words of the one before."""


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    begin: Begin
    parts: list[bytes]
    size: int


class RecorderLink:
    """Hands items to the recorder process."""

    def __init__(self, setup: RecorderSetup, lock: int) -> None:
        """Start the process. `lock` is a file descriptor that it holds on to for as long as it lives."""
        self._setup, self._lock = setup, lock
        self._folder = socket_folder("leash-recorder-")
        self._errors = Path(self._folder.name) / "errors"
        self._context = zmq.Context()
        self._items: deque[_Item] = deque()
        self._unsent: deque[_Item] = deque()
        self._number = self._size = self._starts = self._fruitless = 0
        self._announced = -1
        self._why = ""
        self._starter = ThreadPoolExecutor(1)
        self._starting: Future[Started] | None = None
        self._process, _ = self._start(self._connect())

    @property
    def restarts(self) -> int:
        """How often the process died and was started again."""
        return self._starts - 1

    @property
    def process(self) -> int:
        """Number of the process, or of the one that died last."""
        return self._process.pid

    @property
    def pending(self) -> bool:
        """Whether anything handed over is not safe yet."""
        return bool(self._items)

    @property
    def left(self) -> str:
        """What is not safe yet, for people."""
        ticks = sum(len(item.parts) > 1 for item in self._items)
        return f"{ticks} ticks, {self._size / 1e6:.1f} MB"

    @property
    def stopped(self) -> bool:
        """Whether somebody has stopped the process, so that it does nothing until it is continued."""
        try:
            return Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[0] in {"T", "t"}
        except (OSError, IndexError):
            return False

    @property
    def error(self) -> str:
        """Why the process keeps dying, or nothing."""
        if self._fruitless < FRUITLESS:
            return ""
        return f"the recorder process dies as soon as it is started: {self._why or 'it was killed'}"

    def take(self, begin: Begin, row: bytes, frames: Sequence[tuple[int, bytes]]) -> bool:
        """Hand over a tick of an episode; False when too much is waiting already."""
        if self._size > CAPACITY:
            return False
        header = Take(self._number, [camera for camera, _ in frames])
        self._hand_over(begin, [encode(header), row, *(jpeg for _, jpeg in frames)])
        return True

    def finish(self, begin: Begin, end: Finish) -> None:
        """Hand over the end of an episode; always taken."""
        self._hand_over(begin, [encode(msgspec.structs.replace(end, item=self._number))])

    def replies(self, wait: float = 0.0) -> Iterator[EpisodeDone | EpisodeFailed | NoteMessage]:
        """What the process had to say since last time, after at most `wait` seconds; restarts a dead one."""
        if self._socket.closed:
            return
        self._send(BURST)
        patience = int(wait * 1000)
        while self._socket.poll(patience):
            reply = decode_reply(self._socket.recv())
            if isinstance(reply, Safe):
                self._forget(reply.item)
            else:
                yield reply
            patience = 0
        if self._starting is not None:
            self._greet(self._starting)
        elif self._process.poll() is not None:
            self._restart()

    def close(self) -> bool:
        """Let the process end, and wait for that unless anything is pending; whether it then finishes it by itself."""
        if self._starting is not None:
            self._greet(self._starting, wait=True)
        self._send(self._size + OVERHEAD * len(self._unsent))
        self._socket.send(encode(Quit()))
        alive = self._let_go()
        self._context.destroy(linger=int(LINGER * 1000) if alive else 0)
        self._starter.shutdown()
        self._folder.cleanup()
        return alive

    def _let_go(self) -> bool:
        """Wait for the end of a process that has done everything; leave one alone that has not, if it lives."""
        if self.pending:
            _left.append(self._process)
            return self._process.poll() is None and not self.error
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return False

    def _hand_over(self, begin: Begin, parts: list[bytes]) -> None:
        item = _Item(self._number, begin, parts, sum(map(len, parts)))
        self._number += 1
        self._items.append(item)
        self._unsent.append(item)
        self._size += item.size
        if len(self._unsent) == 1:
            self._send(1)

    def _send(self, most: int) -> None:
        """Send what has not been sent, about `most` bytes of it; nothing while a process is being started."""
        while self._unsent and most > 0 and self._starting is None:
            item = self._unsent.popleft()
            if self._announced != item.begin.index:
                self._announced = item.begin.index
                self._socket.send(encode(item.begin))
            self._socket.send_multipart(item.parts)
            most -= item.size + OVERHEAD

    def _forget(self, number: int) -> None:
        self._fruitless = 0
        while self._items and self._items[0].number <= number:
            self._size -= self._items.popleft().size

    def _restart(self) -> None:
        if time.monotonic() - self._started < RESTART_AFTER * 2**self._fruitless:
            return
        self._fruitless = min(self._fruitless + 1, 5)
        self._setup = msgspec.structs.replace(self._setup, tidy=False)
        self._socket.close(linger=0)
        self._starting = self._starter.submit(self._start, self._connect())
        self._unsent = deque(self._items)

    def _greet(self, starting: Future[Started], *, wait: bool = False) -> None:
        """Turn to a process once it is started. One that cannot be is one more that died."""
        if not (starting.done() or wait):
            return
        self._starting = None
        try:
            self._process, self._why = starting.result()
        except OSError as error:
            self._why = str(error)

    def _connect(self) -> str:
        """A new socket for a process that does not run yet; returns its address."""
        self._started, self._starts, self._announced = time.monotonic(), self._starts + 1, -1
        endpoint = f"{self._folder.name}/{self._starts}"
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        for option, value in ((zmq.SNDHWM, 0), (zmq.RCVHWM, 0), (zmq.RECONNECT_IVL, 10)):
            self._socket.set(option, value)
        self._socket.connect(f"ipc://{endpoint}")
        return endpoint

    def _start(self, endpoint: str) -> Started:
        """Start a process; waits for the disk and the operating system."""
        lines = self._errors.read_text(errors="replace").splitlines() if self._errors.exists() else []
        command = [*python_command(PROGRAM), endpoint, str(os.getpid())]
        with self._errors.open("wb") as errors:
            process = subprocess.Popen(
                [*command, msgspec.json.encode(self._setup).decode()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[self._lock],
                start_new_session=True,
            )
        return process, lines[-1] if lines else ""
