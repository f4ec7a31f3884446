"""The draws of a grid that are finished, on disk, a line each, so that an interrupted evaluation can go on."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.robot.errors import UsageError

NAME = "draws.jsonl"

_result = msgspec.json.Decoder(Result)


class Ledger:
    """A file that begins with what was asked; use inside `with`."""

    def __init__(self, folder: Path, asked: dict[str, Any], engines: Sequence[Engine], draws: int) -> None:
        """Go on with an evaluation that was asked the same and lacks some of these draws on some of these engines.

        One that lacks nothing is put aside, as `draws.old.jsonl`, and begun anew. Raises UsageError when the folder
        holds another one or cannot be written.
        """
        self._engines, self._draws = engines, draws
        self._path = folder / NAME
        self._head = msgspec.json.encode(asked, order="sorted")
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

    def add(self, result: Result) -> None:
        """Keep a finished draw. Raises UsageError when the disk is full."""
        try:
            self._file.write(msgspec.json.encode(result) + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None
        self._kept.append(result)

    @property
    def results(self) -> list[Result]:
        """What was asked for and is finished; the folder may hold more."""
        return [one for one in self._kept if one.engine in self._engines and one.draw < self._draws]

    def missing(self, engine: Engine) -> list[int]:
        """The draws that are still to be walked there."""
        done = {result.draw for result in self._kept if result.engine == engine}
        return [index for index in range(self._draws) if index not in done]

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"cannot keep results in {self._path.parent}: {error.strerror or error}; give another --out")

    def _read(self) -> list[Result]:
        """The results of an evaluation that was asked the same; what an interruption tore is left out."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        if lines and lines[0] != self._head:
            raise UsageError(f"{self._path.parent} holds the results of another evaluation; give another --out")
        found: list[Result] = []
        for line in lines[1:]:
            with contextlib.suppress(msgspec.MsgspecError):
                found.append(_result.decode(line))
        return found
