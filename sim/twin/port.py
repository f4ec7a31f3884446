"""The twin's serial port: a pseudo-terminal that behaves like a USB serial device, whoever comes and goes."""

import ctypes
import fcntl
import os
import struct
import termios
import tty
from pathlib import Path

from leash_robot.robot.errors import PortError

LONGEST_READ = 4096
_OPENED, _CLOSED = 0x20, 0x08 | 0x10
_EVENT = struct.Struct("iIII")


class Port:
    """The robot's end of the line. Nothing here ever blocks; what no client reads in time is lost, as on USB."""

    def __init__(self, link: Path | None = None) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.dropped = 0
        """Bytes for the host that were lost because it did not read."""
        self._rest = b""
        self._visits = _watch(self.path)
        self._link = link
        if link is not None:
            _place_link(link, self.path)

    def close(self) -> None:
        """Remove the link and the port."""
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.path:
            self._link.unlink(missing_ok=True)
        for descriptor in (self._master, self._slave, self._visits):
            if descriptor is not None:
                os.close(descriptor)

    @property
    def descriptors(self) -> list[int]:
        """What becomes readable when something happened here."""
        return [self._master] if self._visits is None else [self._master, self._visits]

    def read(self) -> bytes:
        """What a client has sent, at most 4096 bytes."""
        try:
            return os.read(self._master, LONGEST_READ)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send whole pieces to the client: while the rest of one does not fit, the next ones are dropped."""
        self._note_visits()
        if self._rest:
            self.dropped += len(data)
            self._rest = self._rest[self._send(self._rest) :]
        elif data:
            sent = self._send(data)
            self.dropped += 0 if sent else len(data)
            self._rest = data[sent:] if sent else b""

    def _send(self, data: bytes) -> int:
        """How many bytes fit."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def _note_visits(self) -> None:
        """Let nobody who comes read what is old, and make the port as good as new when somebody leaves.

        Note: visitors are not counted, for the kernel merges equal events that nobody has read yet.
        """
        if self._visits is None:
            return
        try:
            events = os.read(self._visits, 4096)
        except BlockingIOError:
            return
        masks = [mask for _, mask, _, _ in _EVENT.iter_unpack(events)]
        if any(mask & _OPENED for mask in masks):
            self._rest = b""
            termios.tcflush(self._slave, termios.TCIFLUSH)
        if any(mask & _CLOSED for mask in masks):
            self._refresh()

    def _refresh(self) -> None:
        """Undo what the last client did to the port.

        Note: Linux keeps the exclusive flag for as long as we hold our end open, and would refuse the next client.
        """
        fcntl.ioctl(self._slave, termios.TIOCNXCL)
        tty.setraw(self._slave, termios.TCSANOW)


def _watch(path: str) -> int | None:
    """A descriptor that tells who opens and closes the port; None where the system has no inotify."""
    system = ctypes.CDLL(None)
    if not hasattr(system, "inotify_init1"):
        return None
    descriptor: int = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    if system.inotify_add_watch(descriptor, path.encode(), _OPENED | _CLOSED) < 0:
        os.close(descriptor)
        return None
    return descriptor


def _place_link(link: Path, target: str) -> None:
    """Make or replace a symbolic link at once. Raises PortError where something else is in the way."""
    if link.exists() and not link.is_symlink():
        raise PortError(f"{link} is no symbolic link and would be lost; give another --link")
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise PortError(f"cannot make the link {link}: {error.strerror}; give another --link") from None
