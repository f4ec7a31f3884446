"""What an episode says about itself: its first and its last facts, each with a checksum of its own."""

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeVar, get_args

import msgspec

from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec

Outcome = Literal["unlabelled", "success", "failure", "discarded"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Reason = Literal["success", "failure", "timeout", "stopped", "fault", "interrupted"]
"""Why a recording ended: it was judged, its time was up, a person stopped it, something went wrong, or the program was
ended."""
REASONS: tuple[Reason, ...] = get_args(Reason)

NANO = 1_000_000_000

FORMAT = "1"
START = "leash.start"
END = "leash.end"

T = TypeVar("T", bound=msgspec.Struct)


class EpisodeStart(msgspec.Struct, frozen=True):
    """What is known when an episode begins."""

    spec: Spec
    spec_hash: str
    calibration_hash: str
    index: int
    """Number of the episode in its folder."""
    created: str
    """Wall-clock time at the first tick, ISO 8601 in UTC; for people only."""
    clock_offset: int
    """Add to monotonic time to get the wall-clock time of every message [ns]; taken once, so order survives jumps."""
    version: str
    """Of this software."""
    info: dict[str, str] = {}
    """Task, operator, and whatever else the session wants to keep."""
    format: str = FORMAT
    id: str = ""
    """Drawn at random when the episode begins, and kept by copies; empty in files from before there were ids."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Camera names in the order of the recorded arrays."""
        return tuple(self.spec.cameras)


class End(msgspec.Struct, frozen=True):
    """What is known when an episode ends."""

    outcome: Outcome = "unlabelled"
    reason: str = "stopped"
    """One of `REASONS`; older files say it in other words."""
    ticks: int = 0
    """Ticks in the file."""
    dropped: int = 0
    """Ticks of the episode that are not in the file."""
    detail: str = ""
    """What exactly ended it, for people."""


def identity(start: EpisodeStart) -> str:
    """The id by which labels, takeovers and notes know an episode; old files are known by when their clock began."""
    return start.id or f"{start.clock_offset:x}-{start.index}"


def reason_of(error: object) -> tuple[Reason, str]:
    """Why a recording ended that an exception ended, if any did; and the detail."""
    if isinstance(error, Exception):
        return "fault", next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", str(error) or "Ctrl-C"
    return "interrupted", "the program ended"


def wall(time: float, start: EpisodeStart) -> int:
    """Monotonic time [s] as the wall-clock nanoseconds that an episode's messages carry."""
    return round(time * NANO) + start.clock_offset


def pack_facts(facts: msgspec.Struct) -> dict[str, str]:
    """Facts as MCAP metadata: text stays text, the rest is JSON, and a checksum of it all."""
    values = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in msgspec.structs.asdict(facts).items()
    }
    return values | {"check": _check(values)}


def unpack_facts(values: Mapping[str, str], kind: type[T]) -> T | None:
    """The facts in MCAP metadata, or None when their checksum says that they are damaged.

    Raises EpisodeError when they are intact and yet not what this version writes.
    """
    rest = {name: value for name, value in values.items() if name != "check"}
    if values.get("check") != _check(rest):
        return None
    try:
        return msgspec.convert({name: _value(name, text) for name, text in rest.items()}, kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise EpisodeError(f"metadata of another version of this software: {error}") from None


def _value(name: str, text: str) -> object:
    if name == "spec":
        return _spec(text)
    return msgspec.json.decode(text) if name in {"index", "clock_offset", "info", "ticks", "dropped"} else text


@lru_cache(maxsize=64)
def _spec(text: str) -> Spec:
    """Episodes of a folder share their spec, so it is parsed once."""
    return msgspec.json.decode(text, type=Spec)


def _check(values: Mapping[str, str]) -> str:
    return f"{zlib.crc32(msgspec.json.encode(sorted(values.items()))):08x}"
