"""Snapshots of a training: judged on held-out draws, the best one kept as the policy, all of them drawn as curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from launch.curves import Curves
from launch.output import console
from launch.sac_judge import Score
from launch.sac_plan import SacPlan
from policies.checkpoint import save_policy
from policies.sac_export import policy_of
from robot.errors import PolicyError
from robot.spec import Spec

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Shot:
    """A snapshot: the averaged actor at one moment, and how learning stood then."""

    minutes: float
    steps: int
    updates: int
    actor: Arrays
    """Weights, as `policies.sac.actor_shapes` names them."""
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


class Gallery:
    """Judges nothing itself; keeps what the judges said, and the best snapshot as a policy file."""

    def __init__(self, plan: SacPlan, spec: Spec, folder: Path) -> None:
        self._plan, self._spec = plan, spec
        self.policy = folder / "policy.safetensors"
        """The best snapshot so far."""
        self.rows: list[Judged] = []
        self.best: float | None = None
        """Merit of the best snapshot."""
        self._curves = Curves(folder)

    def close(self) -> None:
        """Finish the curves."""
        self._curves.close()

    def show(self, shot: Shot, scores: Sequence[Score]) -> Judged:
        """Take a snapshot's scores; a better one than ever becomes the policy."""
        row = summed(shot, scores)
        self.rows.append(row)
        self._draw(row, shot)
        better = self.best is None or row.merit > self.best
        if better:
            self.best = row.merit
            self.save(shot.actor, row)
        console.print(line(row, shot) + (" · best" if better else ""), highlight=False, soft_wrap=True)
        return row

    def save(self, actor: Arrays, row: Judged) -> None:
        """Write the policy file."""
        box = tuple(np.tile(self._plan.walk.box, len(self._spec.joints) // 3).tolist())
        manifest, weights = policy_of(actor, self._plan.sac, self._plan.features, self._spec, box, self._plan.residual)
        notes = {key: value for key, value in msgspec.structs.asdict(row).items() if math.isfinite(value)}
        manifest = msgspec.structs.replace(
            manifest,
            filter_hz=self._plan.walk.filter_hz,
            slew=self._plan.slew,
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
    )


def line(row: Judged, shot: Shot) -> str:
    """The row, for people."""
    return (
        f"{row.minutes:5.1f} min · {row.steps} steps · {row.updates} updates · success {row.success}/{row.episodes}"
        f" · up {row.no_fall} · off by {row.speed_error:.3f} m/s {row.yaw_error:.3f} rad/s"
        f" · change {row.action_rate:.3f}"
        f" · reward {row.reward:.2f} · value {shot.figures[1]:.1f} · entropy {shot.figures[3]:.1f}"
    )
