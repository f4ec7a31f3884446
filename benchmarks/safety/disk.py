"""`leash bench disk`: whether what is on the disk is what random sessions showed, whatever was killed or deleted."""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from leash_robot.benchmarks.safety.disk_session import session
from leash_robot.launch.reporting.output import console
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.folder import being_recorded, locked
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.metadata import OUTCOMES
from leash_robot.robot.dataset.notes import notes_of
from leash_robot.robot.dataset.repair import leftovers, seal
from leash_robot.robot.dataset.takeovers import takeovers_of
from leash_robot.robot.errors import RobotError

CAMPAIGN = 8
"""So many sessions go on in one folder, in which files are deleted, renamed, copied and labelled in between."""
ALLOWED = 1.0
"""What a kill of the control process may cost [s]."""
ALLOWED_TWICE = 4.0
"""And what it may cost when the recorder was killed just before, and both have lost what was on its way [s]."""

Facts = dict[str, Any]
Shown = tuple[float, Facts]
"""When something was shown, and what."""


@dataclass
class Told:
    """What a session showed, by what it was about, oldest first, and when it was killed, if it was."""

    episodes: dict[int, list[Shown]] = field(default_factory=dict)
    notes: list[tuple[float, str, int | None]] = field(default_factory=list)
    takeovers: dict[str, list[Shown]] = field(default_factory=dict)
    since: float = float("inf")
    """What was shown after this may be lost [s]."""
    killed: bool = False


@dataclass
class Expected:
    """What an episode may be on the disk."""

    index: int
    outcomes: set[str]
    reasons: set[str]
    notes: set[str]
    doubtful: set[str]
    """Notes that may be there too."""
    takeovers: dict[tuple[int, int], list[Facts]]
    certain: bool
    """Whether there must be a file."""


def measure(sessions: int, seed: int) -> dict[str, int | float]:
    """Run sessions, and compare after each one everything that was shown so far in its folder with what is there."""
    random, found = np.random.default_rng(seed), Counter[str]()
    folder, expected, used = Path(), dict[str, Expected](), -1
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="leash-disk-") as place:
        for number in track(range(sessions), "sessions", console=console, transient=True):
            if number % CAMPAIGN == 0:
                folder, expected, used = Path(place) / str(number), {}, -1
            told = run_session(folder, int(random.integers(1 << 30)))
            settle(folder)
            found["killed sessions"] += told.killed
            found["numbers used again"] += sum(index <= used for index in told.episodes)
            used = max([used, *told.episodes])
            expected |= expectations(told)
            differences = list(compare(folder, expected))
            found["sessions that differ"] += bool(differences)
            found.update(differences)
            expected = {id: fact for id, fact in expected.items() if id in by_id(folder)}
            found["episodes"] += len(told.episodes)
            meddle(folder, expected, random, found)
    kinds = ("reason", "label", "note", "takeover", "missing", "numbers used again", "sessions that differ")
    counts = {name: found[name] for name in (*kinds, "episodes", "killed sessions", *CHANGES)}
    return {"sessions": sessions, **counts, "seconds": time.monotonic() - begun}


def run_session(folder: Path, seed: int) -> Told:
    """Run one session in a process of its own; what it showed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_session(folder, seed, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        lines = [json.loads(line) for line in file.read().splitlines()]
    _, status = os.waitpid(child, 0)
    return _told(lines, killed=os.WIFSIGNALED(status))


def _be_session(folder: Path, seed: int, descriptor: int) -> None:
    try:
        session(folder, seed, descriptor)
    except (RuntimeError, KeyboardInterrupt):
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  the process ends here
        console.print(f"a session ended with {error!r}", style="bold red")
        os._exit(1)
    os._exit(0)


def _told(lines: list[Facts], *, killed: bool) -> Told:
    told = Told(killed=killed)
    last = max((line["time"] for line in lines), default=0.0)
    for line in lines:
        if line["kind"] == "episode":
            told.episodes.setdefault(line["key"], []).append((line["time"], line["value"]))
        elif line["kind"] == "note":
            told.notes.append((line["time"], line["key"], line["value"]))
        elif line["kind"] == "takeover":
            told.takeovers.setdefault(line["key"], []).append((line["time"], line["value"]))
        elif killed and line["time"] > last - ALLOWED_TWICE:
            told.since = min(told.since, line["time"] - ALLOWED)
    if killed:
        told.since = min(told.since, last - ALLOWED)
    return told


def expectations(told: Told) -> dict[str, Expected]:
    """What each episode of a session may be on the disk, by its id."""
    return {shown[0][1]["id"]: _expected(index, shown, told) for index, shown in told.episodes.items()}


def _expected(index: int, shown: list[Shown], told: Told) -> Expected:
    possible = valid(shown, told.since)
    notes = {text for time, text, of in told.notes if of == index and time < told.since}
    doubtful = {text for time, text, of in told.notes if of == index and time >= told.since}
    name = f"episode_{index:06d}.mcap"
    takeovers = {
        (lines[0][1]["takeover"], lines[0][1]["first"]): [
            *([{}] if lines[0][0] >= told.since else []),
            *valid(lines, told.since),
        ]
        for lines in told.takeovers.values()
        if lines[0][1]["episode"] == name
    }
    return Expected(
        index,
        {fact["outcome"] for fact in possible},
        {fact["reason"] for fact in possible},
        notes,
        doubtful,
        takeovers,
        certain=shown[0][0] < told.since or not told.killed,
    )


def valid(shown: list[Shown], since: float) -> list[Facts]:
    """What may be on the disk: the last that was shown before `since`, and all that came after."""
    before = [fact for time, fact in shown if time < since]
    return [*before[-1:], *(fact for time, fact in shown if time >= since)]


def settle(folder: Path, patience: float = 60.0) -> None:
    """Wait until no recorder is at work, and complete what a kill left, as the next session does."""
    deadline = time.monotonic() + patience
    while being_recorded(folder):
        if time.monotonic() > deadline:
            raise RobotError(f"a recorder still writes to {folder} after {patience:g} s")
        time.sleep(0.02)
    with locked(folder):
        for path in leftovers(folder):
            seal(path, "a crash")


def by_id(folder: Path) -> dict[str, Episode]:
    """The episodes of a folder, whatever their files are called."""
    return {episode.id: episode for episode in map(read_episode, sorted(folder.glob("*.mcap")))}


def compare(folder: Path, expected: dict[str, Expected]) -> Iterator[str]:
    """The kinds of differences between what was shown and what is on the disk."""
    found = by_id(folder)
    for id, fact in expected.items():
        episode = found.get(id)
        if episode is None:
            yield from ["missing"] * fact.certain
            continue
        kinds = list(_differences(episode, fact))
        for kind in kinds:
            console.print(f"{kind} of {episode.path} differs: {fact}, {episode.end}, {episode.outcome}", markup=False)
        yield from kinds


def _differences(episode: Episode, fact: Expected) -> Iterator[str]:
    if episode.end is None or episode.end.reason not in fact.reasons:
        yield "reason"
    if episode.outcome not in fact.outcomes:
        yield "label"
    notes = {note.text for note in notes_of(episode.path, episode.start)}
    if not fact.notes <= notes <= fact.notes | fact.doubtful:
        yield "note"
    lines = {(line.takeover, line.first): line for line in takeovers_of(episode.path, episode.start)}
    if not set(lines) <= set(fact.takeovers):
        yield "takeover"
    for key, allowed in fact.takeovers.items():
        there = {"ticks": lines[key].ticks, "ended": lines[key].ended} if key in lines else {}
        if there not in [{name: one[name] for name in ("ticks", "ended") if name in one} for one in allowed]:
            yield "takeover"


CHANGES = ("deleted", "renamed", "relabelled", "copied")


def meddle(folder: Path, expected: dict[str, Expected], random: np.random.Generator, found: Counter[str]) -> None:
    """What people do between sessions: delete the newest or any episode, rename, label and copy episodes."""
    for change in random.choice(CHANGES, size=int(random.integers(0, 3)), replace=False):
        paths = sorted(folder.glob("*.mcap"))
        if not paths:
            return
        path = paths[-1] if random.random() < 0.5 else paths[int(random.integers(len(paths)))]
        found[str(change)] += 1
        episode = read_episode(path)
        if change == "deleted":
            path.unlink()
            expected.pop(episode.id, None)
        elif change == "renamed":
            path.rename(folder / f"kept_{episode.id[:8]}.mcap")
        elif change == "relabelled":
            outcome = OUTCOMES[int(random.integers(len(OUTCOMES)))]
            add_label(path, outcome)
            if episode.id in expected:
                expected[episode.id].outcomes = {outcome}
        else:
            found.update(_copied(folder, path, episode))


def _copied(folder: Path, path: Path, episode: Episode) -> Iterator[str]:
    """Copy an episode with what is said of it to another folder, under another name; it must be the same there."""
    other = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir()
    for beside in folder.glob("*.jsonl"):
        shutil.copy(beside, other)
    copied = read_episode(shutil.copy(path, other / "episode_000000.mcap"))
    same = [copied.outcome == episode.outcome]
    same.append(notes_of(copied.path, copied.start) == notes_of(path, episode.start))
    same.append(takeovers_of(copied.path, copied.start) == takeovers_of(path, episode.start))
    yield from (kind for kind, equal in zip(("label", "note", "takeover"), same, strict=True) if not equal)
