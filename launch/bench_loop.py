"""`leash bench loop`: how punctual the 20 Hz loop is on the twin, with a camera, recording, and busy neighbours."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from launch.lateness import Lateness


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep `count` processes busy for the length of the block."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
