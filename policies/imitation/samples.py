"""From recordings to training pairs: what was seen, and what whoever is imitated wanted then and at the next ticks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.imitation.holdout import held_out, identity, threshold
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, Float32, of_episode
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

Teacher = Literal["human", "policy", "both"]


@dataclass(frozen=True)
class SampleConfig:
    """Which samples are made of recordings."""

    features: FeatureConfig
    horizon: int
    """Ticks of targets in a sample."""
    teacher: Teacher
    held_out: float
    """Part of the episodes that is not learned from; of a single one, its end."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Training pairs of one or more episodes. N samples, d features, h ticks of targets, n joints."""

    features: Float32
    """(N, d)"""
    targets: Float32
    """(N, h, n) joint targets around the stand pose [rad]; 0 where they do not count."""
    known: Float32
    """(N, h) 1 where the target counts, else 0."""
    weight: Float32
    """(N,) how often a sample is drawn, relative to the others."""


def split(
    episodes: Sequence[Episode], spec: Spec, config: SampleConfig, weights: Sequence[Array] | None = None
) -> tuple[Samples, Samples]:
    """What is learned from, and what is held out: whole episodes, or the end of the only one. Raises EpisodeError."""
    weights = [np.ones(len(episode.time)) for episode in episodes] if weights is None else weights
    pairs = [
        (identity(episode), samples_of(episode, spec, config, weight))
        for episode, weight in zip(episodes, weights, strict=True)
        if episode.outcome != "discarded"
    ]
    pairs = [(name, part) for name, part in pairs if len(part.features) > 1]
    if not pairs:
        raise EpisodeError(_lack(episodes, config, weights))
    names, parts = zip(*pairs, strict=True)
    if len(set(names)) == 1:
        return _cut(parts[0], config.held_out)
    held = held_out(names, threshold(names, config.held_out))
    learned = join([part for part, out in zip(parts, held, strict=True) if not out])
    return learned, join([part for part, out in zip(parts, held, strict=True) if out])


def samples_of(episode: Episode, spec: Spec, config: SampleConfig, weight: Array) -> Samples:
    """The samples of one episode: ticks at which the teacher proposed something and everything needed was measured.

    `weight` (T,) says how much each tick counts; 0 leaves it out.
    """
    seen = of_episode(config.features, spec.stand, episode)
    taught, target = proposals(episode, config.teacher)
    targets, known = _ahead(target - spec.stand, taught, episode.number, config.horizon)
    whole = np.isfinite(seen).all(axis=-1) & unbroken(episode.number, config.features.frames)
    use = taught & whole & (weight > 0)
    return Samples(*(part[use].astype(np.float32) for part in (seen, targets, known, weight)))


def join(parts: Sequence[Samples]) -> Samples:
    """All samples of several episodes."""
    return Samples(*(np.concatenate(column) for column in zip(*map(_columns, parts), strict=True)))


def _cut(samples: Samples, part: float) -> tuple[Samples, Samples]:
    place = min(len(samples.features) - 1, max(1, round((1 - part) * len(samples.features))))
    columns = _columns(samples)
    return Samples(*(column[:place] for column in columns)), Samples(*(column[place:] for column in columns))


def _columns(samples: Samples) -> tuple[Float32, Float32, Float32, Float32]:
    return samples.features, samples.targets, samples.known, samples.weight


def _lack(episodes: Sequence[Episode], config: SampleConfig, weights: Sequence[Array]) -> str:
    """Why there is nothing to learn from, and what to change."""
    kept = [(one, weight) for one, weight in zip(episodes, weights, strict=True) if one.outcome != "discarded"]
    if not kept:
        return f"all of {len(episodes)} episodes were discarded; record demonstrations with `leash collect`"
    taught = [(proposals(episode, config.teacher)[0], weight) for episode, weight in kept]
    if not any(ticks.any() for ticks, _ in taught):
        return f"no tick was driven by {config.teacher!r}; choose another --teacher or record demonstrations"
    if not any((ticks & (weight > 0)).any() for ticks, weight in taught):
        return f"no tick of {config.teacher!r} counts, all have weight 0; give --weighting.own above 0"
    imu = " (--features.no-gravity --features.no-gyro without an IMU)" if config.features.needs_imu else ""
    return f"at no tick was all measured that the features need; choose fewer{imu}"


def proposals(episode: Episode, teacher: Teacher) -> tuple[NDArray[np.bool_], Array]:
    """Where (T,) the teacher proposed something, and what (T, n) [rad]."""
    human = (episode.human.source >= 0) & np.isfinite(episode.human.joint_pos).all(axis=-1)
    policy = (episode.policy.source >= 0) & np.isfinite(episode.policy.joint_pos).all(axis=-1)
    use_human = human & (teacher != "policy")
    use_policy = policy & (teacher != "human")
    return use_human | use_policy, np.where(use_human[:, None], episode.human.joint_pos, episode.policy.joint_pos)


def _ahead(target: Array, taught: NDArray[np.bool_], number: NDArray[np.uint32], horizon: int) -> tuple[Array, Array]:
    """Targets (T, h, n) at each tick and the next ones, 0 where unknown, and where they are known (T, h)."""
    at = np.arange(len(target))[:, None] + np.arange(horizon)
    inside = np.minimum(at, len(target) - 1)
    steady = number[inside] == number[:, None] + np.arange(horizon, dtype=np.uint32)
    known = (at == inside) & steady & np.logical_and.accumulate(taught[inside], axis=1)
    return np.where(known[..., None], target[inside], 0.0), known.astype(np.float64)


def unbroken(number: NDArray[np.uint32], frames: int) -> NDArray[np.bool_]:
    """Ticks (T,) whose history of so many frames has no lost tick in it."""
    gap = np.concatenate([[False], np.diff(number.astype(np.int64)) != 1])
    return np.array([not gap[max(0, tick - frames + 2) : tick + 1].any() for tick in range(len(gap))], np.bool_)
