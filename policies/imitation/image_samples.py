"""From recordings with a camera to training pairs: what was seen, and the body velocity that was wanted then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.image_observation import MIRROR_COMMAND, ImageHistory, PixelsConfig, state
from leash_robot.policies.imitation.holdout import identity
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.dataset.frame_cache import FrameFile, ImageCache
from leash_robot.robot.encoding.feature_encoding import Float32
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import SOURCES, Array

HUMAN, POLICY = SOURCES.index("human"), SOURCES.index("policy")


Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Fits what is indexed by row numbers, as an array (N, h, w, 3) would be; indexing reads those rows only."""

    files: Sequence[FrameFile]
    file: Rows
    """(N,) in which file a picture lies."""
    frame: Rows
    """(N,) which of that file's frames it is."""

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: Rows | slice | int) -> Pixels:
        """The pictures (b, h, w, 3) of these rows, or (h, w, 3) of a single one. Raises EpisodeError."""
        if isinstance(rows, int | np.integer):
            alone: Pixels = self[np.array([rows])][0]
            return alone
        files, frames = self.file[rows], self.frame[rows]
        made = np.empty((len(frames), *self.files[0].shape[1:]), np.uint8)
        for number in np.unique(files):
            here = files == number
            made[here] = self.files[number].read(frames[here])
        return made

    def __iter__(self) -> Iterator[Pixels]:
        return (self[row] for row in range(len(self)))

    def of(self, kept: NDArray[np.bool_] | Rows) -> "Pictures":
        """Those that are kept, still on the disk."""
        return Pictures(self.files, self.file[kept], self.frame[kept])


def joined(parts: Sequence[Pictures]) -> Pictures:
    """All pictures of several episodes."""
    files = [file for part in parts for file in part.files]
    first = np.cumsum([0, *(len(part.files) for part in parts)])
    numbers = [part.file + start for part, start in zip(parts, first[:-1], strict=True)]
    return Pictures(files, np.concatenate(numbers), np.concatenate([part.frame for part in parts]))


@dataclass(frozen=True, eq=False)
class Views:
    """N training pairs."""

    pictures: Pictures | Pixels
    """(N, h, w, 3) RGB, on the disk or in memory."""
    states: Float32
    """(N, s)"""
    commands: Float32
    """(N, 3) in units of the scale."""
    weight: Float32
    """(N,) how often a pair is drawn, relative to the others."""
    episode: NDArray[np.int64]
    """(N,) which episode it comes from, by its place in `identities`."""
    identities: tuple[str, ...] = ()
    """The episodes' own ids."""

    def __len__(self) -> int:
        return len(self.weight)

    def of(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> "Views":
        """Those pairs that are kept; pictures on the disk stay there."""
        pictures = self.pictures.of(kept) if isinstance(self.pictures, Pictures) else self.pictures[kept]
        rest = (self.states[kept], self.commands[kept], self.weight[kept], self.episode[kept])
        return Views(pictures, *rest, self.identities)


def taught(episode: Episode) -> Array:
    """What each tick (T, 3) teaches: the command that the person asked for, else the policy's that was followed; NaN
    where neither was.
    """
    person = (episode.human.source == HUMAN)[:, None]
    own = (episode.wanted.source == POLICY)[:, None]
    wanted: Array = np.where(person, episode.human.command, np.where(own, episode.policy.command, np.nan))
    return wanted


def views_of(episodes: Sequence[Episode], config: PixelsConfig, weights: Sequence[Array]) -> Views:
    """The pairs of these episodes; `weights` (T,) of each say how much its ticks count, 0 leaves one out.

    Raises EpisodeError when there is nothing to learn from.
    """
    parts = [
        _of_episode(episode, config, weight, number)
        for number, (episode, weight) in enumerate(zip(episodes, weights, strict=True))
    ]
    if not sum(map(len, parts)):
        raise EpisodeError(
            f"no tick of {len(episodes)} episodes has a frame of camera {config.camera!r} and a command to learn"
        )
    return Views(
        pictures=joined([part.pictures for part in parts if isinstance(part.pictures, Pictures)]),
        states=np.concatenate([part.states for part in parts]),
        commands=np.concatenate([part.commands for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        episode=np.concatenate([part.episode for part in parts]),
        identities=tuple(map(identity, episodes)),
    )


def _of_episode(episode: Episode, config: PixelsConfig, weight: Array, number: int) -> Views:
    wanted = taught(episode)
    frame = episode.image_index(config.camera)
    past = _remembered(episode, config)
    felt = state(config, episode.gravity, episode.gyro, past)
    whole = np.isfinite(wanted).all(axis=1) & np.isfinite(felt).all(axis=1)
    use = (weight > 0) & (frame >= 0) & whole
    cache = ImageCache(episode.path.parent, (config.height, config.width))
    kept = frame[use]
    return Views(
        pictures=Pictures([cache.stored(episode, config.camera)], np.zeros_like(kept), kept),
        states=felt[use],
        commands=(wanted[use] / config.scale).astype(np.float32),
        weight=weight[use].astype(np.float32),
        episode=np.full(len(kept), number),
    )


def _remembered(episode: Episode, config: PixelsConfig) -> Array:
    """What was remembered (T, remembered, 3) at each tick: of the ticks before it."""
    past, rows = ImageHistory(config, episode.spec.period), []
    for command in np.nan_to_num(episode.wanted.command):
        rows.append(past.rows)
        past.add(command)
    return np.array(rows).reshape(-1, config.remembered, 3)


def mirrored(config: PixelsConfig, views: Views, turned: NDArray[np.bool_]) -> Views:
    """The same, with those pairs (N,) that are `turned` seen in a mirror: Pupper's left is like its right."""
    pictures, flip = views.pictures[:], turned[:, None]
    pictures = np.where(flip[..., None, None], pictures[:, :, ::-1], pictures)
    states = np.where(flip, views.states * config.mirror, views.states)
    commands = np.where(flip, views.commands * MIRROR_COMMAND, views.commands)
    return Views(pictures, states, commands, views.weight, views.episode, views.identities)
