"""What surrounds every command: standard streams that can be written, signals that unwind, and one line for errors."""

import contextlib
import io
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TextIO

from leash_robot.robot.errors import LeashError

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOBODY_READS = 141
"""Exit code when standard output was closed by its reader; the shell's own for it."""

received: list[int] = []
"""Signals that asked this process to end, in order."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A signal handler: unwind as Ctrl-C does, and remember which signal it was; another than Ctrl-C is named."""
    note(number)
    raise KeyboardInterrupt(*([] if number == signal.SIGINT else [signal.Signals(number).name]))


def note(number: int) -> None:
    """Remember a signal that ends this command, for its exit code."""
    received.append(number)


def guarded(run: Callable[[list[str]], int], words: list[str]) -> int:
    """The exit code of a command, whatever ends it; see `leash_robot.launch.cli`."""
    received.clear()
    _filter_warnings()
    try:
        _open_streams()
        _listen()
        code = _said(run, words)
        _flush()
    except KeyboardInterrupt:
        code = 0
        received.extend([signal.SIGINT] * (not received))
    except BrokenPipeError:
        if not _unread():
            raise
        code = NOBODY_READS
    if _unread():
        _mute()
    return 128 + received[0] if received and code == 0 else code


def _said(run: Callable[[list[str]], int], words: list[str]) -> int:
    """Run, and tell a LeashError in one line, and in JSON where that is asked for."""
    try:
        return run(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2
    except (LeashError, OSError) as error:
        line = " ".join(_words(error).split())
        name = f"leash {words[0]}" if words and not words[0].startswith("-") else "leash"
        if (output := sys.modules.get("leash_robot.launch.reporting.output")) is not None:
            output.outlet.drain()
        print(f"{name}: {line}", file=sys.stderr)
        if "--json" in words:
            from leash_robot.launch.reporting.output import emit

            emit({"error": line})
        return 2


def _words(error: LeashError | OSError) -> str:
    """What a person should know; an error of the computer's own is raised again where no file is to blame."""
    if isinstance(error, LeashError):
        return "; ".join([str(error), *getattr(error, "__notes__", [])])
    if error.filename is None or isinstance(error, BrokenPipeError):
        raise error
    return f"{os.fsdecode(error.filename)}: {error.strerror}; free it, or name another"


def _filter_warnings() -> None:
    """Filter warnings as Python does by itself, here and in child processes.

    Note: PYTHONWARNINGS=error, as test runs and notebooks set it, would end a loop that drives motors.
    """
    if os.environ.pop("PYTHONWARNINGS", ""):
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)


def _open_streams() -> None:
    """Make all three streams usable: closed ones lead nowhere, and no character is refused.

    Note: a closed descriptor would be taken by the next file that is opened, maybe a serial port, and printed into.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    out, err = sys.stdout.encoding, sys.stderr.encoding
    if sys.stdout is sys.__stdout__:
        sys.stdout, sys.stderr = _own(1, out), _own(2, err)
        os.dup2(2, 1)


def _own(number: int, encoding: str) -> TextIO:
    """The same stream by a descriptor that only this command's own words go to.

    Libraries and child processes that print get standard error, so that standard output holds the result alone; a
    library that greets can be silenced without silencing us (`leash_robot.sim.pybullet.client`).
    """
    return open(os.dup(number), "w", encoding=encoding, errors="replace", buffering=1)  # noqa: PTH123


def _listen() -> None:
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _unread() -> bool:
    """Whether nobody reads standard output or standard error any more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(stream.fileno(), 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                return True
    return False


def _mute() -> None:
    """Let what is left in the buffers go nowhere, so that closing them says nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
