"""How child processes are started: on our own code, whatever lies in the working directory or on PYTHONPATH."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import leash_robot
from leash_robot.robot.errors import RobotError

ROOT = str(Path(leash_robot.__file__).resolve().parents[1])
"""The folder that holds our package: of a checkout, or site-packages."""
LONGEST = 90
"""Longest folder for sockets [bytes]: a Unix socket's whole path has 107, and the file name needs some."""


def python_command(program: str) -> list[str]:
    """The command line of a Python process that runs `program`; further arguments follow it.

    The process ignores the working directory and every PYTHON... variable. Whatever else we import from (a PYTHONPATH
    with plugins, a script's folder) is searched last there, so that it adds modules and replaces none.
    """
    flags = ["-E", "-P", *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *flags, "-c", f"{_search()}; {program}"]


def _search() -> str:
    """A statement that completes the child's module search path."""
    ours = [place for place in sys.path if Path(place).is_absolute()]
    return (
        f"import sys; sys.path[:0] = [p for p in [{ROOT!r}] if p not in sys.path]; "
        f"sys.path += [p for p in {ours!r} if p not in sys.path]"
    )


def socket_folder(prefix: str) -> "tempfile.TemporaryDirectory[str]":
    """A new folder of our own with a path short enough for sockets. Raises RobotError when there is no place for it."""
    for place in _places():
        with suppress(OSError):
            folder = tempfile.TemporaryDirectory(prefix=prefix, dir=place)
            if len(os.fsencode(folder.name)) <= LONGEST:
                return folder
            folder.cleanup()
    raise RobotError(f"no folder for sockets: {', '.join(_places())} are too long or refuse; set TMPDIR to a short one")


def _places() -> Iterator[str]:
    """Where the folder may be, best first."""
    with suppress(FileNotFoundError):
        yield tempfile.gettempdir()
    yield from filter(None, [os.environ.get("XDG_RUNTIME_DIR")])
    # Only a folder with a random name is ever made there.
    yield from ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
