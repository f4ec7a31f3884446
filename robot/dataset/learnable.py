"""Which recordings are learned from, which are left out, and why."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.dataset.folder import spec_difference
from leash_robot.robot.dataset.selection import LeftOut, episode_files, select_episodes
from leash_robot.robot.errors import EpisodeError

Learnable = Literal["success", "unlabelled", "failure"]
"""An outcome that may be learned from."""
OUTCOMES: tuple[Learnable, ...] = ("success", "unlabelled")
"""The outcomes that are learned from by default."""
NAMED = 5
"""At most this many unusable files are named one by one."""


@dataclass(frozen=True)
class Recordings:
    """The episodes that are learned from, and the files that are not."""

    episodes: list[Episode]
    left_out: list[LeftOut]

    @property
    def ticks(self) -> int:
        """The number of ticks of all episodes."""
        return sum(map(len, self.episodes))

    @property
    def summary(self) -> str:
        """What is learned from and what is left out, in one line."""
        used = f"learning from {_count(len(self.episodes), 'episode')}, {self.ticks} ticks"
        return f"{used}; {len(self.left_out)} left out: {reasons(self.left_out)}" if self.left_out else used

    @property
    def unusable(self) -> list[str]:
        """A line for each of the first files that are left out for another reason than their outcome."""
        odd = [one for one in self.left_out if not _outcome(one.reason)]
        lines = [f"left out: {one.path}: {one.reason}" for one in odd[:NAMED]]
        return [*lines, f"and {len(odd) - NAMED} more; `leash data list` names them"] if len(odd) > NAMED else lines


def recording_files(data: Sequence[Path]) -> list[Path]:
    """All recordings among these files and folders. Raises EpisodeError for a path that is none, or without any."""
    if not data:
        raise EpisodeError("no recordings are given; name folders of episodes, or record some with `leash collect`")
    for path in data:
        if path.is_file() and ".mcap" not in path.suffixes:
            kind = "a policy file" if path.suffix == ".safetensors" else "no episode"
            raise EpisodeError(f"{path} is {kind}; give folders of episodes, or episode files (.mcap)")
    found = [file for path in data for file in episode_files(path)]
    if not found:
        raise EpisodeError(f"no episodes in {', '.join(map(str, data))}; record some with `leash collect`")
    return found


def select_learnable(
    files: Sequence[tuple[Path, Sequence[Learnable]]],
    where: str,
    report: Callable[[float], None] = lambda part: None,
) -> Recordings:
    """The whole episodes among these files, each file with the outcomes that are learned from; every episode once.

    `where` names the place in errors; `report` receives the part that is read, 0..1. Raises EpisodeError when nothing
    is left, or the episodes are of several bodies.
    """
    found = Recordings([], [])
    for number, (file, outcomes) in enumerate(files, 1):
        one = select_episodes(file, outcomes=outcomes)
        found.episodes.extend(one.episodes)
        found.left_out.extend(one.left_out)
        report(number / len(files))
    chosen = _unique(found)
    if not chosen.episodes:
        raise EpisodeError(_nothing(where, chosen.left_out, files[0][1]))
    _check_one_body(chosen.episodes)
    return chosen


def reasons(left_out: Sequence[LeftOut]) -> str:
    """Why files are left out, and how many for each reason."""
    counts = Counter(_short(one.reason) for one in left_out)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())


def _unique(found: Recordings) -> Recordings:
    """The recordings without copies: an episode is learned from once, under however many names it comes."""
    first: dict[str, Episode] = {}
    copies = []
    for episode in found.episodes:
        if first.setdefault(episode.digest, episode) is not episode:
            copies.append(LeftOut(episode.path, f"a copy of {first[episode.digest].path}"))
    return Recordings(list(first.values()), [*found.left_out, *copies])


def _check_one_body(episodes: Sequence[Episode]) -> None:
    """Raise EpisodeError unless all episodes are of one body; a policy fits one."""
    first = episodes[0]
    for other in episodes[1:]:
        if other.start.spec_hash != first.start.spec_hash:
            where, theirs, ours = spec_difference(other.spec, first.spec)
            raise EpisodeError(
                f"{other.path} was recorded with {where} = {theirs}, {first.path} with {ours}; learn from one kind of "
                "robot at a time"
            )


def _nothing(where: str, left_out: Sequence[LeftOut], outcomes: Sequence[Learnable]) -> str:
    """Why there is nothing to learn from, and what to do."""
    others = sorted({name for one in left_out for name in _outcome(one.reason)} - {"discarded"})
    if others:
        remedy = f"give --outcomes {' '.join([*outcomes, *others])} to learn from them, or `leash data label` them"
    else:
        remedy = "record more with `leash collect`"
    whole = f"none of {_count(len(left_out), 'recording')}" if len(left_out) > 1 else "not the one recording"
    return f"{whole} in {where} can be learned from: {reasons(left_out)}; {remedy}"


def _outcome(reason: str) -> list[str]:
    return re.findall(r"^its outcome is (\w+)", reason)


def _short(reason: str) -> str:
    """The reason without place and remedy."""
    if named := _outcome(reason):
        return named[0]
    kinds = {"damaged": "damaged", "never finished": "unfinished", "it holds no tick": "empty", "a copy": "a copy"}
    return next((kind for begin, kind in kinds.items() if reason.startswith(begin)), "unreadable")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
