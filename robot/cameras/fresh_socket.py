"""A socket that knows when its data cannot have been there yet, so that what lay in a buffer is not taken for new."""

import select
import socket
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SLICE = 0.01
"""Data is waited for in pieces of this length; so exactly is known when it came [s]."""


class FreshSocket(socket.socket):
    """A socket that is read through `makefile`. Whoever reads may be stopped for any length of time meanwhile."""

    empty_at = 0.0
    """The last time at which nothing was waiting to be read: what was read since then came after it [monotonic s]."""

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """Wait for data and read it, as ever. Raises TimeoutError."""
        self.empty_at = waited(self, self.empty_at)
        return super().recv_into(buffer, nbytes, flags)


class FreshTlsSocket(ssl.SSLSocket):
    """The same, encrypted; data that is decrypted already is waiting, too."""

    empty_at = 0.0

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        """Wait for data and read it, as ever. Raises TimeoutError."""
        if not self.pending():
            self.empty_at = waited(self, self.empty_at)
        return super().recv_into(buffer, nbytes, flags)


def waited(connection: socket.socket, before: float) -> float:
    """Wait until there is something to read; return when there last was nothing, `before` if there is something now.

    Note: the time is taken before each look, so that being stopped between the two makes data older, never newer.
    """
    end = time.monotonic() + (connection.gettimeout() or 0.0)
    while (looked := time.monotonic()) < end:
        if select.select([connection], [], [], 0.0)[0]:
            return before
        before = looked
        select.select([connection], [], [], SLICE)
    raise TimeoutError("timed out")
