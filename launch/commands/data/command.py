"""`leash data`: list, show, verify, recover, label and replay recordings."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from leash_robot.launch.commands.data.plot import plot
from leash_robot.launch.commands.data.replay import ReplayEpisode
from leash_robot.launch.commands.data.summary import describe, find_episodes, summarize
from leash_robot.launch.commands.data.table import table
from leash_robot.launch.options.parsing import subcommand
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.folder import locked
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.dataset.repair import recover
from leash_robot.robot.dataset.verify import verify
from leash_robot.robot.errors import EpisodeError

Paths = Annotated[tuple[Path, ...], tyro.conf.Positional]


@dataclass(frozen=True)
class List:
    """One line an episode, every byte of which is tested: `leash data list data/walk`."""

    paths: Paths
    """Folders of episodes, or files."""
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Print a table."""
        files = find_episodes(self.paths)
        rows = [
            summarize(path)
            for path in track(files, "testing", console=console, transient=True, disable=not console.is_terminal)
        ]
        console.print(table(rows, console.width))
        for row in rows:
            if "error" in row:
                console.print(row["error"], highlight=False, markup=False, soft_wrap=True)
        if self.json:
            emit({"episodes": rows})
        return 0


@dataclass(frozen=True)
class Show:
    """Everything about one episode, and a picture of it: `leash data show EPISODE.mcap --plot walk.png`."""

    path: Annotated[Path, tyro.conf.Positional]
    """The episode file."""
    plot: Path | None = None
    """Draw joints, commands, sources and lateness into this .png, .svg, .pdf or .html file."""
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Print figures; draw."""
        episode = read_episode(self.path)
        figures = describe(episode)
        facts = Table("fact", "value")
        for name, value in figures.items():
            facts.add_row(name, escape(_say(value)))
        console.print(facts)
        if self.plot:
            plot(episode, self.plot)
            console.print(f"drew {self.plot}", highlight=False)
        if self.json:
            emit({"file": str(self.path), **figures, "plot": self.plot and str(self.plot)})
        return 0


@dataclass(frozen=True)
class Verify:
    """Test every byte of recordings; the exit code is 1 when one is damaged: `leash data verify data/walk`."""

    paths: Paths
    """Folders of episodes, or files."""
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Print what is wrong, and where."""
        faults: list[dict[str, object]] = []
        files = find_episodes(self.paths)
        for path in files:
            for byte, what in _faults(path):
                console.print(f"{path}: byte {byte}: {what}", highlight=False, markup=False, soft_wrap=True)
                faults.append({"file": str(path), "byte": byte, "what": what})
        damaged = len({str(fault["file"]) for fault in faults})
        console.print(f"{len(files) - damaged} of {len(files)} files are whole", highlight=False)
        if self.json:
            emit({"files": len(files), "damaged": damaged, "faults": faults})
        return 1 if damaged else 0


@dataclass(frozen=True)
class Recover:
    """Make valid episodes of what is whole in damaged or unfinished ones: `leash data recover data/walk`.

    Originals move to the folder `originals` beside them.
    """

    paths: Paths
    """Folders, of which every damaged or unfinished episode is taken, or files."""
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Recover, and say what came of it."""
        done: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        paths = find_episodes(self.paths)
        _insist_on_peace({path.parent for path in paths})
        for path in [path for path in paths if path in self.paths or _faults(path)]:
            try:
                saved = recover(path)
            except EpisodeError as error:
                console.print(str(error), highlight=False, markup=False, soft_wrap=True)
                failed.append({"file": str(path), "error": str(error)})
                continue
            console.print(f"{saved.path}: {saved.ticks} ticks saved; the original is {saved.original}", soft_wrap=True)
            done.append({"file": str(saved.path), "ticks": saved.ticks, "original": str(saved.original)})
        if self.json:
            emit({"recovered": done, "failed": failed})
        return 1 if failed else 0


@dataclass(frozen=True)
class LabelOptions:
    """Change one's mind about an episode; the file stays as it is: `leash data label EPISODE.mcap failure`."""

    path: Annotated[Path, tyro.conf.Positional]
    """The episode file."""
    outcome: Annotated[Outcome, tyro.conf.Positional]
    """What became of it."""
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Append the label to `labels.jsonl` beside the file."""
        before = read_episode(self.path).outcome
        add_label(self.path, self.outcome)
        console.print(f"{self.path}: {before} -> {self.outcome}", highlight=False, soft_wrap=True)
        if self.json:
            emit({"file": str(self.path), "before": before, "outcome": self.outcome})
        return 0


COMMANDS: dict[str, Callable[..., Any]] = {
    "list": List,
    "show": Show,
    "verify": Verify,
    "recover": Recover,
    "label": LabelOptions,
    "replay": ReplayEpisode,
}


def main(args: list[str]) -> int:
    """Do what was asked; 1 when a recording is damaged."""
    chosen = subcommand(COMMANDS, "leash data", args, __doc__)
    code: int = chosen.run()
    return code


def _insist_on_peace(folders: Iterable[Path]) -> None:
    """Refuse at once when somebody records into one of the folders; what else is wrong with them shows at each file."""
    for folder in folders:
        with contextlib.suppress(OSError), locked(folder):
            pass


def _faults(path: Path) -> list[tuple[int, str]]:
    """What is wrong with a file and where, also when it is no episode at all."""
    try:
        return [(fault.byte, fault.what) for fault in verify(path)]
    except EpisodeError as error:
        return [(0, str(error).removeprefix(f"{path}: "))]


def _say(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_say(item)}" for key, item in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)
