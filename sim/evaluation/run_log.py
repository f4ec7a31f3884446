"""The finished episodes of an evaluation on disk, a line each, so that an interrupted evaluation can resume."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from leash_robot.robot.errors import UsageError
from leash_robot.sim.evaluation.result import Engine, EpisodeResult

NAME = "draws.jsonl"

_result = msgspec.json.Decoder(EpisodeResult)


class EvaluationLog:
    """A file whose first line says what is evaluated; use inside `with`."""

    def __init__(self, folder: Path, header: dict[str, Any], engines: Sequence[Engine], draws: int) -> None:
        """Resume an evaluation with the same header that lacks some of these samples on some of these engines.

        One that lacks nothing is kept as `draws.old.jsonl`, and begun anew. Raises UsageError when the folder
        holds another one or cannot be written.
        """
        self._engines, self._draws = engines, draws
        self._path = folder / NAME
        self._head = msgspec.json.encode(header, order="sorted")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._kept = self._read()
            if self._kept and not any(self.missing(engine) for engine in engines):
                self._path.replace(self._path.with_suffix(".old.jsonl"))
                self._kept = []
            part = self._path.with_suffix(".part")
            part.write_bytes(b"".join(line + b"\n" for line in (self._head, *map(msgspec.json.encode, self._kept))))
            part.replace(self._path)
            self._file = self._path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def add(self, result: EpisodeResult) -> None:
        """Keep a finished episode. Raises UsageError when the disk is full."""
        try:
            self._file.write(msgspec.json.encode(result) + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None
        self._kept.append(result)

    @property
    def results(self) -> list[EpisodeResult]:
        """The finished episodes of these engines and samples; the folder may hold more."""
        return [one for one in self._kept if one.engine in self._engines and one.draw < self._draws]

    def missing(self, engine: Engine) -> list[int]:
        """The samples that are still to be rolled out there."""
        done = {result.draw for result in self._kept if result.engine == engine}
        return [index for index in range(self._draws) if index not in done]

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"cannot keep results in {self._path.parent}: {error.strerror or error}; give another --out")

    def _read(self) -> list[EpisodeResult]:
        """The results of an evaluation with the same header; a line that an interruption cut off is left out."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        if lines and lines[0] != self._head:
            raise UsageError(f"{self._path.parent} holds the results of another evaluation; give another --out")
        found: list[EpisodeResult] = []
        for line in lines[1:]:
            with contextlib.suppress(msgspec.MsgspecError):
                found.append(_result.decode(line))
        return found
