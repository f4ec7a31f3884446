"""Scores an episode from the simulator's ground truth, which no policy ever sees."""

from collections.abc import Callable
from typing import Self

import numpy as np

from leash_robot.robot.clock import missed_slots
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Tick
from leash_robot.sim.envs.tracking import smoothed, tracking
from leash_robot.sim.ground_truth import GroundTruth

BOX = np.tile([0.2, 0.4, 0.4], 4)
"""Half-range of the usual action box; action change is reported as a share of it, whatever box a policy has [rad]."""


class EpisodeScorer:
    """Fits `Log`: notes the truth at every tick of one episode."""

    def __init__(self, truth: Callable[[], GroundTruth], spec: Spec) -> None:
        self._truth = truth
        self._spec = spec
        self.truths: list[GroundTruth] = []
        self.commands: list[Array] = []
        self._sent: list[Array] = []
        self._late: list[float] = []
        self.sources: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        self.truths.append(self._truth())
        self.commands.append(tick.wanted.command)
        self._sent.append(tick.sent.joint_pos)
        self._late.append(tick.obs.late)
        self.sources.append(tick.sent.source)

    @property
    def fallen(self) -> bool:
        """Whether the robot fell at any time."""
        return any(truth.fallen for truth in self.truths)

    @property
    def late(self) -> Array:
        """(T,) lateness of each tick [s]."""
        return np.array(self._late)

    @property
    def velocity(self) -> Array:
        """(T, 3) true vx, vy [m/s] and yaw rate [rad/s] in the body frame."""
        return np.array([[*truth.velocity[:2], truth.angular_velocity[2]] for truth in self.truths])

    def score(self, settle: float) -> dict[str, float]:
        """Means over the ticks after the first `settle` seconds; `sim.envs.tracking` says what the errors are."""
        skip = min(round(settle * self._spec.rate), len(self.truths) - 1)
        velocity, command = self.velocity[skip:], np.array(self.commands)[skip:]
        error = smoothed(velocity - command, self._spec.rate)
        follows = tracking(velocity, command, self._spec.rate, settle=0.0)
        mean = velocity.mean(axis=0)
        return {
            "no_fall": float(not self.fallen),
            "speed": float(mean[0]),
            "side_speed": float(mean[1]),
            "yaw_rate": float(mean[2]),
            "speed_error": follows.planar,
            "yaw_error": follows.turning,
            "speed_rmse": float(np.sqrt((error[:, :2] ** 2).sum(axis=1).mean())),
            "yaw_rmse": float(np.sqrt((error[:, 2] ** 2).mean())),
            "action_rate": self._action_rate(settle),
            "missed": float(sum(missed_slots(value, self._spec.period) for value in self._late)),
            "late_p99_ms": float(np.percentile(self.late, 99) * 1e3),
        }

    def change(self, settle: float) -> Array:
        """(n,) mean change of each joint's target a tick [rad], after the first `settle` seconds."""
        sent = np.array(self._sent)[min(round(settle * self._spec.rate), len(self._sent) - 1) :]
        return np.abs(np.diff(sent, axis=0)).mean(axis=0) if len(sent) > 1 else np.zeros(sent.shape[1])

    def _action_rate(self, settle: float) -> float:
        change = self.change(settle)
        box = BOX if len(change) == len(BOX) else (self._spec.upper - self._spec.lower) / 2
        return float((change / box).mean())
