"""Which recordings can be learned from, and why the others cannot: nothing is left out in silence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.mcap.writer import PARTIAL
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.dataset.verify import damage, verify
from leash_robot.robot.errors import EpisodeError

NAMES = ("episode_*.mcap", "episode_*.mcap" + PARTIAL, "episode_*.damaged")
"""What the recordings of a folder are called: finished, unfinished, and set aside as unreadable."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not to be used, and why, in a few words."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The recordings of some folders: those to use, and those left out."""

    episodes: list[Episode]
    left_out: list[LeftOut]


def select_episodes(
    source: Path | str | Sequence[Path | str], *, outcomes: Sequence[Outcome] = ("unlabelled", "success")
) -> Selection:
    """Read the whole episodes of these outcomes among folders and files; every byte of each file is tested.

    Left out are damaged and unfinished files, those without a tick, and those of another outcome. Raises EpisodeError
    when a path does not exist.
    """
    paths = [source] if isinstance(source, str | Path) else source
    chosen = Selection([], [])
    for path in (file for place in paths for file in episode_files(Path(place))):
        try:
            episode = read_episode(path)
            reason = _unfit(episode, outcomes)
        except EpisodeError as error:
            reason = str(error).removeprefix(f"{path}: ").removeprefix(f"{path} is ")
        if reason:
            chosen.left_out.append(LeftOut(path, reason))
        else:
            chosen.episodes.append(episode)
    return chosen


def episode_files(path: Path) -> list[Path]:
    """The recordings of a folder, unfinished and damaged ones included, in order; or the file itself.

    Raises EpisodeError when there is no such path.
    """
    if not path.exists():
        raise EpisodeError(f"{path} is neither an episode file nor a folder of them")
    return sorted(file for name in NAMES for file in path.glob(name)) if path.is_dir() else [path]


def _unfit(episode: Episode, outcomes: Sequence[Outcome]) -> str:
    return next(_reasons(episode, outcomes), "")


def _reasons(episode: Episode, outcomes: Sequence[Outcome]) -> Iterator[str]:
    path = episode.path
    if path.suffix == PARTIAL:
        yield f"never finished; `leash data recover {path}` makes an episode of its {len(episode)} ticks"
    if not len(episode):
        yield "it holds no tick"
    if episode.outcome not in outcomes:
        yield f"its outcome is {episode.outcome}"
    if faults := verify(path):
        yield damage(path, faults)
