"""A serial port that nobody else has: raw bytes, never blocking for longer than a frame may take."""

import errno
import fcntl
import os
import select
import termios
import tty

PATIENCE = 0.02
"""How long the port may refuse bytes of a frame that has begun [s]."""


class SerialLine:
    """An open port, locked against every other program that asks (pyserial's `exclusive` does). Raises OSError."""

    def __init__(self, path: str, baud: int = 500_000) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            # Note: flock and not TIOCEXCL, which would outlive a killed gate on a pseudo-terminal
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _make_raw(self.fd, baud)
        except OSError:
            os.close(self.fd)
            raise

    def read(self) -> bytes:
        """What has arrived; empty when nothing has. Raises OSError when the device is gone."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.EIO, "the device is gone")
        return data

    def write(self, frame: bytes) -> None:
        """Write a whole frame, in one call unless the buffer is full. Raises OSError when that cannot be done."""
        left = memoryview(frame)
        while left:
            try:
                left = left[os.write(self.fd, left) :]
            except BlockingIOError:
                if not select.select([], [self.fd], [], PATIENCE)[1]:
                    raise OSError(errno.ETIMEDOUT, "the device takes no bytes") from None

    def close(self) -> None:
        """Give the port back."""
        os.close(self.fd)


def _make_raw(fd: int, baud: int) -> None:
    """No echo, no line editing, this speed [bit/s]; raises OSError when this is no terminal or has no such speed."""
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise OSError(errno.EINVAL, f"a serial port does not run at {baud} baud")
    try:
        tty.setraw(fd, termios.TCSANOW)
        settings = termios.tcgetattr(fd)
        settings[4] = settings[5] = speed
        termios.tcsetattr(fd, termios.TCSANOW, settings)
    except termios.error as error:
        raise OSError(*error.args) from None
