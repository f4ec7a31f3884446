"""Recordings that learning begins with: which are used, which are left out, and why; known without torch."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from leash_robot.launch.dagger.work import bar
from leash_robot.launch.reporting.output import console
from leash_robot.policies.features import FeatureConfig
from leash_robot.policies.rl.demonstrations import RecordedActions, recorded
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.dataset.folder import spec_difference
from leash_robot.robot.dataset.selection import LeftOut, episode_files, select_episodes
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

Recorded = RecordedActions | None
"""What recordings teach, if there are any."""
OUTSIDE = "their targets are outside of what the action box can express"
"""Why ticks are left out of imitation."""
Learnable = Literal["success", "unlabelled", "failure"]
OUTCOMES: tuple[Learnable, ...] = ("success", "unlabelled")
"""What is learned from unless somebody says otherwise."""
NAMED = 5
"""So many files that are left out as unusable are named one by one."""


@dataclass(frozen=True)
class Recordings:
    """What is learned from, and what is not."""

    episodes: list[Episode]
    left_out: list[LeftOut]

    @property
    def ticks(self) -> int:
        """How many ticks there are."""
        return sum(map(len, self.episodes))

    def told(self) -> str:
        """Both in one line."""
        used = f"learning from {_count(len(self.episodes), 'episode')}, {self.ticks} ticks"
        return f"{used}; {len(self.left_out)} left out: {reasons(self.left_out)}" if self.left_out else used


def recordings(data: Sequence[Path], outcomes: Sequence[Learnable] = OUTCOMES) -> Recordings:
    """The whole episodes of these outcomes among files and folders, all of one body, each once; says what is left out.

    Raises EpisodeError when there are none, or they are of several bodies.
    """
    files = [(file, outcomes) for file in _files(data)]
    with bar("reading recordings") as done:
        chosen = selected(files, ", ".join(map(str, data)), done)
    for line in _unusable(chosen.left_out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(chosen.told(), highlight=False, soft_wrap=True)
    return chosen


def selected(
    files: Sequence[tuple[Path, Sequence[Learnable]]], where: str, done: Callable[[float], None] = lambda part: None
) -> Recordings:
    """The same of files and the outcomes that are learned from in each, said nowhere; `where` they lie is for errors.

    `done` hears what part is read, 0..1.
    """
    found = Recordings([], [])
    for number, (file, outcomes) in enumerate(files, 1):
        one = select_episodes(file, outcomes=outcomes)
        found.episodes.extend(one.episodes)
        found.left_out.extend(one.left_out)
        done(number / len(files))
    chosen = unique(found)
    if not chosen.episodes:
        raise EpisodeError(_nothing(where, chosen.left_out, files[0][1]))
    _agree(chosen.episodes)
    return chosen


def unique(found: Recordings) -> Recordings:
    """The same without copies: an episode is learned from once, however often and under whatever name it comes."""
    first: dict[str, Episode] = {}
    copies = []
    for episode in found.episodes:
        if first.setdefault(episode.digest, episode) is not episode:
            copies.append(LeftOut(episode.path, f"a copy of {first[episode.digest].path}"))
    return Recordings(list(first.values()), [*found.left_out, *copies])


def reasons(left_out: Sequence[LeftOut]) -> str:
    """Why files are left out, and how many for each reason."""
    counts = Counter(_short(one.reason) for one in left_out)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())


def imitable(
    demos: Sequence[Path],
    spec: Spec,
    features: FeatureConfig,
    box: Array,
    newest: float,
    outcomes: Sequence[Learnable] = OUTCOMES,
) -> Recorded:
    """What recordings teach, as `leash_robot.policies.rl.demonstrations.recorded`; None without any.

    Raises EpisodeError for none where there should be some, PolicyError when they reach out of the action box.
    """
    if not demos:
        return None
    episodes = recordings(demos, outcomes).episodes
    for episode in episodes:
        if episode.names != spec.names or not np.allclose(episode.spec.stand, spec.stand):
            raise EpisodeError(
                f"{episode.path} is of a {episode.spec.name} with other joints or another stand pose than {spec.name};"
                " give --demos of the robot that learns"
            )
    made = recorded(episodes, spec, features, box, newest)
    if made.left_out:
        said = f"imitating {len(made.actions)} ticks; {made.left_out} left out: {OUTSIDE}"
        console.print(said, highlight=False, soft_wrap=True)
    return made


def _files(data: Sequence[Path]) -> list[Path]:
    """The files that are looked at. Raises EpisodeError for a path that is no recording."""
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


def _agree(episodes: Sequence[Episode]) -> None:
    """Raise EpisodeError unless all are of one body; a policy fits one."""
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


def _unusable(left_out: Sequence[LeftOut]) -> list[str]:
    """A line for each of the first files that are left out for what they are, not for their outcome."""
    odd = [one for one in left_out if not _outcome(one.reason)]
    lines = [f"left out: {one.path}: {one.reason}" for one in odd[:NAMED]]
    return [*lines, f"and {len(odd) - NAMED} more; `leash data list` names them"] if len(odd) > NAMED else lines


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
