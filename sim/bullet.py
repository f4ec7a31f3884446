"""PyBullet, imported so that its greeting stays out of a program's output."""

import ctypes
import importlib
import os
import sys
from types import ModuleType


def _import_quietly() -> ModuleType:
    """Import pybullet while C's standard output goes to standard error.

    Note: the greeting waits in C's own buffer until the process ends, so it would follow the last line that a command
    prints, which is the one that programs parse.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        module = importlib.import_module("pybullet")
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    return module


pybullet: ModuleType = _import_quietly()
"""The module, as `import pybullet` would give it."""
