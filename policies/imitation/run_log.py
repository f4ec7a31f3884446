"""The run log of DAgger, on disk: the options that the results depend on, and the result of every finished round."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from leash_robot.robot.errors import EpisodeError

NAME = "run.json"
DEFAULTS: dict[str, Any] = {"outcomes": ["success", "unlabelled"], "camera_age": 0.2}
"""Options that runs of earlier versions did not have, with the values that these used."""


class RoundResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One round: what the person did with the policy before it, and how well the policy that came of it drives."""

    round: int
    """0 is cloning of the demonstrations."""
    method: str
    """How its data came about: `demonstrations`, a method of DAgger, or `plain` for the comparison."""
    success: float
    """Part of the unseen tracks that were completed without help."""
    success_low: float
    """Wilson's 95 % interval."""
    success_high: float
    progress: float
    """Mean part of those tracks that was behind the robot when it ended."""
    off_m: float
    """Root mean square distance from the line [m]."""
    intervention_rate: float
    """Part of the time that the person drove while data was collected; 1 for demonstrations."""
    switches_per_min: float
    """How often the authority changed hands."""
    human_s: float
    """How long the person drove, or said what they would do [s]."""
    human_total_s: float
    """The same since the beginning [s]."""
    ticks: int
    """How many ticks there are to learn from."""
    seconds: float
    """How long the round took."""


class RunState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the file."""

    options: dict[str, Any] = msgspec.field(name="asked")
    """The options of the run that its results depend on."""
    rounds: tuple[RoundResult, ...] = ()
    plain: RoundResult | None = None
    """As many demonstrated ticks and no corrections, for comparison."""


class RoundLog:
    """The file of a run; each change replaces it as a whole."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        """Continue the run in this folder, or begin one. Raises EpisodeError when its options were others."""
        self._path = folder / NAME
        options = msgspec.json.decode(msgspec.json.encode(options))
        self._make(folder)
        found = self._read()
        self.state = found or RunState(options)
        if found is None:
            self._write(self.state)
        before = {**DEFAULTS, **self.state.options}
        if before != {**DEFAULTS, **options}:
            raise EpisodeError(f"{folder} holds another run ({_difference(before, options)}); choose another --out")

    def add(self, result: RoundResult) -> None:
        """Keep the result of a finished round."""
        self._write(msgspec.structs.replace(self.state, rounds=(*self.state.rounds, result)))

    def compare(self, result: RoundResult) -> None:
        """Keep the result of the comparison."""
        self._write(msgspec.structs.replace(self.state, plain=result))

    def _read(self) -> RunState | None:
        if not self._path.exists():
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=RunState)
        except (OSError, msgspec.MsgspecError) as error:
            raise EpisodeError(f"cannot go on from {self._path}: {error}; choose another --out") from None

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EpisodeError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None

    def _write(self, state: RunState) -> None:
        part = self._path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(state)))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            raise EpisodeError(
                f"cannot write {self._path}: {error.strerror}; make room, or choose another --out"
            ) from None
        self.state = state


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    was, is_ = dict(_leaves(before)), dict(_leaves(now))
    names = [name for name in {**was, **is_} if was.get(name) != is_.get(name)]
    return ", ".join(f"{name} {was.get(name)}, not {is_.get(name)}" for name in names[:3])


def _leaves(options: dict[str, Any], place: str = "") -> Iterator[tuple[str, object]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{place}{name}.")
        else:
            yield place + name, value
