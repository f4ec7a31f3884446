"""PyBullet, imported so that its greeting stays out of a program's output."""

import ctypes
import importlib
import os
import sys
from types import ModuleType


def _import_quietly() -> ModuleType:
    """Import pybullet while what C prints goes nowhere.

    Note: the greeting goes to standard error in some builds, to standard output in others, where it waits in C's own
    buffer. Commands print through descriptors of their own (`launch.options.startup`), so nothing that another of their
    threads prints meanwhile is lost.
    """
    _flush()
    saved = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        return importlib.import_module("pybullet")
    finally:
        _flush()
        for number, before in enumerate(saved, 1):
            os.dup2(before, number)
        for number in (*saved, nowhere):
            os.close(number)


def _flush() -> None:
    """Write out what Python and C keep."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ctypes.CDLL(None).fflush(None)


pybullet: ModuleType = _import_quietly()
"""The module, as `import pybullet` would give it."""
