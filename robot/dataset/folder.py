"""A folder of episodes as a place to record into: its lock, its next number, and whether it holds the same body."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from leash_robot.robot.dataset.mcap.scan import map_file, read_start
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec

_NAME = re.compile(r"episode_(\d{6,})\.(?:mcap|damaged)")
_NOTED = re.compile(rb'"episode":\s*(?:"episode_)?(\d{1,18})')
BESIDE = ("labels.jsonl", "takeovers.jsonl", "notes.jsonl")
"""Files beside the episodes that name them."""
NEXT = ".next"
"""File with the next number, which outlives the episodes."""
FINISHING = " finishing"
PATIENCE = 3.0
"""How long to wait for the recorder of a session that has just died to finish [s]."""


def next_index(folder: Path) -> int:
    """One more than the highest number ever used in the folder, whether or not that episode is still there.

    Raises OSError.
    """
    return max(map(int, _numbers(folder)), default=-1) + 1


def keep_index(folder: Path, index: int) -> None:
    """Keep a number from being used again, even when all visible files are removed. Raises OSError."""
    if _kept_index(folder) <= index:
        _keep(folder, index + 1)


def release_index(folder: Path, index: int) -> None:
    """Let a number be used that was kept last of all, and that nobody was shown. Raises OSError."""
    if _kept_index(folder) == index + 1:
        _keep(folder, index)


def _keep(folder: Path, following: int) -> None:
    descriptor = os.open(folder / NEXT, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, f"{following:020d}".encode(), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kept_index(folder: Path) -> int:
    try:
        return int((folder / NEXT).read_bytes())
    except (FileNotFoundError, ValueError):
        return 0


def _numbers(folder: Path) -> Iterator[int | bytes]:
    """Every number that the folder shows was used."""
    yield _kept_index(folder) - 1
    for name in BESIDE:
        with contextlib.suppress(OSError):
            yield from _NOTED.findall((folder / name).read_bytes())
    for path in (*folder.iterdir(), *(folder / "originals").glob("*")):
        if match := _NAME.match(path.name):
            yield match[1].encode()


def lock_folder(folder: Path) -> int:
    """Make sure that nobody else records into the folder; return the descriptor that holds the lock.

    Raises EpisodeError when somebody does, naming their process, and OSError.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + PATIENCE
    while not _taken(descriptor):
        if time.monotonic() >= deadline:
            holder = os.pread(descriptor, 60, 0).decode(errors="replace") or "unknown"
            os.close(descriptor)
            raise EpisodeError(_occupied(folder, holder))
        time.sleep(0.05)
    with contextlib.suppress(OSError):  # on a full disk the lock holds all the same, it only names nobody
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _occupied(folder: Path, holder: str) -> str:
    if holder.endswith(FINISHING):
        process = holder.removesuffix(FINISHING)
        return f"the last session's recorder (process {process}) still writes to {folder}; wait until it has finished"
    return f"another recorder is writing to {folder} (process {holder}); stop it or choose another folder"


def name_finisher(folder: Path) -> None:
    """Say in the folder's lock that this process finishes what a session, which has ended, has left to it."""
    with contextlib.suppress(OSError):
        (folder / ".lock").write_text(f"{os.getpid()}{FINISHING}", encoding="utf-8")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep recorders out of a folder for as long as the block runs. Raises EpisodeError and OSError as the above."""
    descriptor = lock_folder(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def being_recorded(folder: Path) -> bool:
    """Whether somebody records into the folder now."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_same_body(folder: Path, spec: Spec) -> None:
    """Raise EpisodeError, saying what differs, when the folder holds episodes of another spec."""
    for path in sorted(folder.glob("episode_*.mcap*")):
        try:
            start = read_start(map_file(path))
        except EpisodeError:
            continue
        if start.spec_hash != spec.hash:
            where, theirs, ours = spec_difference(start.spec, spec)
            raise EpisodeError(
                f"{path} was recorded with {where} = {theirs}, this robot has {ours} "
                f"(spec {start.spec_hash}, not {spec.hash}); choose another folder"
            )


def spec_difference(theirs: Spec, ours: Spec) -> tuple[str, object, object]:
    """The first place at which two specs differ, and both values."""
    left, right = (dict(_leaves(msgspec.to_builtins(spec), "")) for spec in (theirs, ours))
    for place in left | right:
        if left.get(place) != right.get(place):
            return place, left.get(place), right.get(place)
    return "spec", theirs.hash, ours.hash


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]")
    else:
        yield place, value
