"""How commands speak: tables for people, one JSON object on the last line of standard output for programs."""

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec
import numpy as np
from rich.console import Console

from leash_robot.launch.reporting.outlet import Outlet
from leash_robot.robot.errors import UsageError

outlet = Outlet()

console = Console(file=cast(TextIO, outlet))
"""Progress and prose go to standard error, so that standard output stays parseable; nobody waits for it."""

# Figures are drawn into files; a notebook's own backend is not there in the commands that it starts.
os.environ["MPLBACKEND"] = "agg"


def note(line: str) -> None:
    """Print a line of prose."""
    console.print(line, highlight=False)


def warn(line: str) -> None:
    """Print what goes wrong, so that it stands out."""
    console.print(line, style="bold red", highlight=False, markup=False, soft_wrap=True)


def emit(result: Mapping[str, Any]) -> None:
    """Print one JSON object as the last line of standard output; NaN becomes null, keys carry their unit."""
    outlet.drain()
    sys.stdout.write(msgspec.json.encode(plain(result)).decode() + "\n")
    sys.stdout.flush()


def emit_to(path: Path, result: Mapping[str, Any]) -> None:
    """Write the same object into a file, for people to look into later. Raises UsageError."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(plain(result))) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place") from None


def plain(value: object) -> object:
    """The same as mappings, lists, strings and numbers that JSON has; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # a file's name may be no text
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_figures(figures: Mapping[str, object], *, json: bool) -> int:
    """Print the figures of a session; the command's exit code, 1 when anything was lost."""
    if json:
        emit(figures)
    else:
        console.print(" · ".join(f"{key} {short(value)}" for key, value in figures.items() if key != "losses"))
    return 1 if figures["losses"] else 0


def short(value: object) -> str:
    """A figure, for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
