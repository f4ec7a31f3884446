"""Finishing what a crash interrupted, and saving what is whole of a damaged file. Originals are kept."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from leash_robot.robot.dataset.folder import locked
from leash_robot.robot.dataset.mcap.records import HEAD, MAGIC, Block, Chunk, Op, blocks, take_metadata, text
from leash_robot.robot.dataset.mcap.scan import body_is_whole, map_file, messages, scan
from leash_robot.robot.dataset.mcap.writer import PARTIAL, EpisodeWriter, partial
from leash_robot.robot.dataset.metadata import END, End, unpack_facts
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.errors import EpisodeError

ORIGINALS = "originals"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` made of a file."""

    path: Path
    ticks: int
    original: Path


def leftovers(folder: Path) -> list[Path]:
    """Unfinished episodes of a folder, by the names they would have if they were finished."""
    return [path.with_name(path.name.removesuffix(PARTIAL)) for path in sorted(folder.glob("episode_*.mcap" + PARTIAL))]


def seal(path: Path, detail: str) -> int:
    """Finish an interrupted episode in place and return how many ticks it has; one without any is removed.

    One that was interrupted after its last facts were written, and before it got its name, keeps them; another one is
    `interrupted`, with `detail`. Raises EpisodeError when something before the cut is damaged, and OSError.
    """
    end = _last_facts(partial(path))
    writer = EpisodeWriter.resume(path)
    if writer.ticks:
        interrupted = End(reason="interrupted", detail=detail, dropped=writer.number + 1 - writer.ticks)
        writer.finish(end if end and end.ticks == writer.ticks else interrupted)
    else:
        writer.discard()
    return writer.ticks


def _last_facts(path: Path) -> End | None:
    return scan(map_file(path)).end


def recover(path: Path) -> Recovered:
    """Make a valid episode of whatever is whole in a damaged or unfinished one; the original moves to `originals/`.

    Raises EpisodeError when there is nothing to repair or to save, the disk fails, or somebody records into the folder.
    """
    try:
        with locked(path.parent):
            return _recover(path)
    except OSError as error:
        raise EpisodeError(f"cannot recover {path}: {error.strerror}") from None


def _recover(path: Path) -> Recovered:
    target = path.with_name(path.name.split(".")[0] + ".mcap")
    if path != target and target.exists():
        raise EpisodeError(f"{target} exists already; move it or {path} to another folder first")
    if not verify(path):
        raise EpisodeError(f"{path} is whole; there is nothing to recover")
    with _workshop(path.parent) as workshop:
        writer = _rebuild(path.read_bytes(), workshop / target.name)
        if not writer.ticks:
            raise EpisodeError(f"no tick of {path} is whole")
        original = _put_aside(path)
        writer.path.rename(target)
    return Recovered(target, writer.ticks, original)


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """An empty folder for one repair; what an interrupted one left in it goes. Under the folder's lock only."""
    workshop = folder / ".recovery"
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir()
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _rebuild(data: bytes, path: Path) -> EpisodeWriter:
    """Write what is whole into a new file; the writer, done. Raises EpisodeError and OSError."""
    writer = EpisodeWriter(path, scan(data).start)
    try:
        for block in _whole_chunks(data):
            writer.copy(Chunk([message for message, _ in messages(data, block)]))
        end = _find_end(data) or End(reason="interrupted", detail="recovered")
        writer.finish(msgspec.structs.replace(end, dropped=writer.number + 1 - writer.ticks))
    except OSError:
        writer.close()
        raise
    return writer


def _put_aside(path: Path) -> Path:
    """Move a file to `originals/` beside it, under a name that is free."""
    folder = path.parent / ORIGINALS
    folder.mkdir(exist_ok=True)
    names = (folder / (path.name + suffix) for suffix in ("", *(f".{count}" for count in range(1, 1000))))
    place = next(name for name in names if not name.exists())
    return path.rename(place)


def _whole_chunks(data: bytes) -> Iterator[Block]:
    """Every chunk that matches its checksum, wherever it lies: no other record's length is believed."""
    position = len(MAGIC)
    while (position := data.find(bytes([Op.CHUNK]), position)) >= 0:
        block = next(blocks(data, position), None)
        if block and body_is_whole(data, block):
            yield block
            position = block.stop
        else:
            position += 1


def _find_end(data: bytes) -> End | None:
    """The closing facts, wherever they lie."""
    for match in re.finditer(re.escape(text(END)), data):
        block = next(blocks(data, match.start() - HEAD.size), None)
        if block and block.op == Op.METADATA:
            return unpack_facts(take_metadata(data, block)[1], End)
    return None
