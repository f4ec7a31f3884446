"""Snapshots of a training: judged on held-out draws, the best one kept as the policy, all of them drawn as curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from leash_robot.launch.reporting.curves import Curves
from leash_robot.launch.reporting.output import console
from leash_robot.launch.rl.evaluator import Score
from leash_robot.launch.rl.plan import SacPlan
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.rl.sac.export import policy_of
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec

Arrays = Mapping[str, NDArray[Any]]

PURSUES = 0.5
"""A snapshot may be the policy from this pursuit on."""
IN_A_ROW = 2
"""The criterion must be met in so many judgements."""


@dataclass(frozen=True)
class Shot:
    """A snapshot: the averaged actor at one moment, and how learning stood then."""

    minutes: float
    steps: int
    updates: int
    actor: Arrays
    """Weights, as `leash_robot.policies.rl.sac.sac.actor_shapes` names them."""
    figures: NDArray[np.float32]
    """As `Learner.figures`."""
    reward: float
    """Mean of a step in the latest episodes."""


class Judged(msgspec.Struct, frozen=True):
    """How a snapshot did; errors in m/s and rad/s."""

    minutes: float
    steps: int
    updates: int
    episodes: int
    success: int
    no_fall: int
    speed_error: float
    yaw_error: float
    action_rate: float
    merit: float
    reward: float
    pursuit: float = math.nan
    """How much of the commands there was, as `Score.pursuit`, over the episodes that asked for a movement."""

    @property
    def pursues(self) -> bool:
        """Whether it goes at least half of the way from standing to its commands, where any asked for a movement."""
        return not self.pursuit < PURSUES


class Gallery:
    """Judges nothing itself; keeps what the judges said, and the best snapshot as a policy file.

    A snapshot that does not pursue its commands is never the best one, however well it stands.
    """

    def __init__(self, plan: SacPlan, spec: Spec, folder: Path) -> None:
        self._plan, self._spec = plan, spec
        self.policy = folder / "policy.safetensors"
        """The best snapshot so far."""
        self.rows: list[Judged] = []
        self.best: float | None = None
        """Merit of the best snapshot."""
        self._row = 0
        """Judgements in a row that met the criterion."""
        self._met = False
        self._curves = Curves(folder)

    def close(self) -> None:
        """Finish the curves."""
        self._curves.close()

    def show(self, shot: Shot, scores: Sequence[Score]) -> Judged:
        """Take a snapshot's scores; a better one than ever becomes the policy."""
        row = summed(shot, scores)
        self.rows.append(row)
        self._draw(row, shot)
        self._row = self._row + 1 if self._good(row) else 0
        self._met = self._met or self._row >= IN_A_ROW
        better = row.pursues and (self.best is None or row.merit > self.best)
        if better:
            self.best = row.merit
            self.save(shot.actor, row)
        note = " · best" if better else "" if row.pursues else " · does not follow its commands, not kept"
        console.print(line(row, shot) + note, highlight=False, soft_wrap=True)
        return row

    @property
    def met(self) -> bool:
        """Whether the criterion of the plan was met in two judgements in a row."""
        return self._met

    @property
    def has_policy(self) -> bool:
        """Whether a snapshot of this training became the policy; the file may be there from another one."""
        return self.best is not None

    @property
    def updates(self) -> int:
        """Updates of the latest snapshot that was judged."""
        return self.rows[-1].updates if self.rows else 0

    def _good(self, row: Judged) -> bool:
        return row.pursues and row.success >= self._plan.judging.target * row.episodes

    def rejudge(self, scores: Sequence[Score]) -> None:
        """Take the scores of the policy that an earlier part of the training left, under the judging of now."""
        row = summed(Shot(0.0, 0, 0, {}, np.zeros(5, np.float32), math.nan), scores)
        self.best = row.merit if row.pursues else None

    def save(self, actor: Arrays, row: Judged) -> None:
        """Write the policy file."""
        box = tuple(np.tile(self._plan.walk.box, len(self._spec.joints) // 3).tolist())
        manifest, weights = policy_of(actor, self._plan.sac, self._plan.features, self._spec, box, self._plan.residual)
        notes = {key: value for key, value in msgspec.structs.asdict(row).items() if math.isfinite(value)}
        manifest = msgspec.structs.replace(
            manifest,
            filter_hz=self._plan.walk.filter_hz,
            slew=self._plan.slew,
            commands=(self._plan.walk.commands.vx, self._plan.walk.commands.vy, self._plan.walk.commands.yaw),
            training={"seed": self._plan.seed, **notes},
        )
        try:
            save_policy(self.policy, manifest, weights)
        except OSError as error:
            raise PolicyError(f"cannot write {self.policy}: {error.strerror}; make room and --resume") from None

    def _draw(self, row: Judged, shot: Shot) -> None:
        curves = {f"judged/{key}": value for key, value in msgspec.structs.asdict(row).items()}
        names = ("critic_loss", "value", "actor_loss", "entropy", "temperature")
        curves |= {f"learner/{name}": float(value) for name, value in zip(names, shot.figures, strict=True)}
        self._curves.add(curves, row.updates, row.minutes)


def summed(shot: Shot, scores: Sequence[Score]) -> Judged:
    """One row of the table."""
    pursued = [score.pursuit for score in scores if not math.isnan(score.pursuit)]
    return Judged(
        shot.minutes,
        shot.steps,
        shot.updates,
        len(scores),
        sum(score.success for score in scores),
        sum(not score.fell for score in scores),
        float(np.mean([score.error.planar for score in scores])),
        float(np.mean([score.error.turning for score in scores])),
        float(np.mean([score.action_rate for score in scores])),
        float(np.mean([score.merit for score in scores])),
        shot.reward,
        float(np.mean(pursued)) if pursued else math.nan,
    )


def line(row: Judged, shot: Shot) -> str:
    """The row, for people."""
    return (
        f"{row.minutes:5.1f} min · {row.steps} steps · {row.updates} updates · success {row.success}/{row.episodes}"
        f" · up {row.no_fall} · off by {row.speed_error:.3f} m/s {row.yaw_error:.3f} rad/s"
        f" · change {row.action_rate:.3f}"
        f" · reward {row.reward:.2f} · value {shot.figures[1]:.1f} · entropy {shot.figures[3]:.1f}"
    )
