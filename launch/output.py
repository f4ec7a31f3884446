"""How commands speak: tables for people, one JSON object on the last line of standard output for programs."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from rich.console import Console

console = Console(stderr=True)
"""Progress and prose go to standard error, so that standard output stays parseable."""


def emit(result: Mapping[str, Any]) -> None:
    """Print one JSON object as the last line of standard output; NaN becomes null, keys carry their unit."""
    sys.stdout.write(msgspec.json.encode(_plain(result)).decode() + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
