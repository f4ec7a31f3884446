"""The control process's end of the recorder: a child process that is started again when it dies, and loses nothing.

Every item handed over is kept until the recorder says that it is safe. After a restart the rest is handed over
again; the recorder leaves out what it finds in the file. Nothing here waits, except where it says so.
"""

import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from robot.child import python_command, socket_folder
from robot.recorder_wire import Begin, Done, Failed, Finish, Note, Quit, Safe, Setup, Take, decode_reply, encode

CAPACITY = 64 << 20
"""Bytes kept for a recorder that does not keep up: about a minute of one camera."""
RESTART_AFTER = 0.5
"""Shortest time between two starts of the process [s]; doubled for each start that came to nothing."""
FRUITLESS = 2
"""So many starts that came to nothing, one after another, are worth mentioning."""
PROGRAM = "from robot.recorder_process import main; main(sys.argv[1], int(sys.argv[2]), sys.argv[3])"


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    begin: Begin
    parts: list[bytes]
    size: int


class Link:
    """Hands items to the recorder process."""

    def __init__(self, setup: Setup, lock: int) -> None:
        """Start the process. `lock` is a file descriptor that it holds on to for as long as it lives."""
        self._setup, self._lock = setup, lock
        self._folder = socket_folder("leash-recorder-")
        self._errors = Path(self._folder.name) / "errors"
        self._context = zmq.Context()
        self._items: deque[_Item] = deque()
        self._number = self._size = self._starts = self._fruitless = 0
        self._announced = -1
        self._start()

    @property
    def restarts(self) -> int:
        """How often the process died and was started again."""
        return self._starts - 1

    @property
    def process(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def pending(self) -> bool:
        """Whether anything handed over is not safe yet."""
        return bool(self._items)

    @property
    def error(self) -> str:
        """Why the process keeps dying, or nothing."""
        if self._fruitless < FRUITLESS:
            return ""
        lines = self._errors.read_text(errors="replace").splitlines() or ["it was killed"]
        return f"the recorder process dies as soon as it is started: {lines[-1]}"

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

    def replies(self, wait: float = 0.0) -> Iterator[Done | Failed | Note]:
        """What the process had to say since last time, after at most `wait` seconds; restarts a dead one."""
        if self._socket.closed:
            return
        patience = int(wait * 1000)
        while self._socket.poll(patience):
            reply = decode_reply(self._socket.recv())
            if isinstance(reply, Safe):
                self._forget(reply.item)
            else:
                yield reply
            patience = 0
        if self._process.poll() is not None:
            self._restart()

    def close(self, timeout: float) -> None:
        """End the process, within `timeout` seconds if need be by force. Items not safe by then are lost."""
        self._socket.send(encode(Quit()))
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._context.destroy(linger=0)
        self._folder.cleanup()

    def _hand_over(self, begin: Begin, parts: list[bytes]) -> None:
        item = _Item(self._number, begin, parts, sum(map(len, parts)))
        self._number += 1
        self._items.append(item)
        self._size += item.size
        self._send(item)

    def _send(self, item: _Item) -> None:
        if self._announced != item.begin.index:
            self._announced = item.begin.index
            self._socket.send(encode(item.begin))
        self._socket.send_multipart(item.parts)

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
        self._start()
        for item in self._items:
            self._send(item)

    def _start(self) -> None:
        self._started, self._starts, self._announced = time.monotonic(), self._starts + 1, -1
        endpoint = f"{self._folder.name}/{self._starts}"
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        for option, value in ((zmq.SNDHWM, 0), (zmq.RCVHWM, 0), (zmq.RECONNECT_IVL, 10)):
            self._socket.set(option, value)
        self._socket.connect(f"ipc://{endpoint}")
        command = [*python_command(PROGRAM), endpoint, str(os.getpid())]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, msgspec.json.encode(self._setup).decode()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[self._lock],
                start_new_session=True,
            )
