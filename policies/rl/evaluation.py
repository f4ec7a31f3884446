"""Snapshots of a training: evaluated on held-out seeds, the best one kept as the policy."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.config import TrainingConfig
from leash_robot.policies.rl.task import EpisodeScore, TrainingTask

IN_A_ROW = 2
"""The criterion must be met in this many consecutive evaluations."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The averaged actor at one moment, and how learning stood then."""

    minutes: float
    steps: int
    updates: int
    weights: Weights
    metrics: Mapping[str, float]
    """Of the algorithm."""
    reward: float
    """Mean of a step in the latest episodes."""


@dataclass(frozen=True)
class Evaluation:
    """How a snapshot did."""

    minutes: float
    steps: int
    updates: int
    episodes: int
    success: int
    score: float
    """Mean over the episodes."""
    reward: float
    figures: Mapping[str, float]
    """Means over the episodes for which a figure has a meaning; NaN where there are none."""
    eligible: bool
    """Whether it may become the policy."""

    @property
    def success_rate(self) -> float:
        """Share of the episodes."""
        return self.success / self.episodes


def summarize(task: TrainingTask, snapshot: Snapshot, scores: Sequence[EpisodeScore]) -> Evaluation:
    """What the scores of its episodes say of a snapshot."""
    names = scores[0].figures if scores else {}
    figures = {name: _mean([score.figures[name] for score in scores]) for name in names}
    success, score = sum(score.success for score in scores), float(np.mean([score.score for score in scores]))
    counts = snapshot.minutes, snapshot.steps, snapshot.updates, len(scores)
    return Evaluation(*counts, success, score, snapshot.reward, figures, task.eligible(figures))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return float(np.mean(finite)) if finite else math.nan


class SnapshotSelector:
    """Keeps the evaluations of a training, and lets the best eligible snapshot be saved.

    A snapshot that is not eligible is never the best one: one that stands still, however well.
    """

    def __init__(
        self,
        task: TrainingTask,
        save: Callable[[Weights, Evaluation], None],
        report: Callable[[Evaluation, Snapshot, bool], None] = lambda evaluation, snapshot, better: None,
    ) -> None:
        """`save` is called with the best snapshot so far, `report` with each and whether it is that."""
        self._task, self._save, self._report = task, save, report
        self.evaluations: list[Evaluation] = []
        self.best: float | None = None
        """Score of the best snapshot."""
        self._row = 0
        """Consecutive evaluations that met the criterion."""
        self.met = False
        """Whether the criterion was met in IN_A_ROW consecutive evaluations."""

    def add(self, snapshot: Snapshot, scores: Sequence[EpisodeScore]) -> Evaluation:
        """Take a snapshot's scores; raises what `save` raises."""
        made = summarize(self._task, snapshot, scores)
        self.evaluations.append(made)
        good = made.eligible and made.success >= self._config.judging.target * made.episodes
        self._row = self._row + 1 if good else 0
        self.met = self.met or self._row >= IN_A_ROW
        better = made.eligible and (self.best is None or made.score > self.best)
        if better:
            self.best = made.score
            self._save(snapshot.weights, made)
        self._report(made, snapshot, better)
        return made

    def rescore(self, scores: Sequence[EpisodeScore]) -> None:
        """Take the scores, under the evaluation of now, of the policy that an earlier part of the training left."""
        made = summarize(self._task, Snapshot(0.0, 0, 0, {}, {}, math.nan), scores)
        self.best = made.score if made.eligible else None

    @property
    def _config(self) -> TrainingConfig:
        return self._task.config

    @property
    def has_policy(self) -> bool:
        """Whether a snapshot of this training became the policy; the file may be there from another one."""
        return self.best is not None

    @property
    def updates(self) -> int:
        """Updates of the latest snapshot that was evaluated."""
        return self.evaluations[-1].updates if self.evaluations else 0
