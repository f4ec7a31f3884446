"""A policy that does again what a recording says was sent."""

import numpy as np

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import SOURCES, Action, Observation

TOLERANCE = 0.35
"""Largest difference between a joint's angle and the recording's first one [rad]."""


class ReplayPolicy:
    """Fits `Policy`. Run it for `len(replay)` ticks; afterwards, and where ticks were lost, it holds."""

    def __init__(self, episode: Episode, spec: Spec, tolerance: float = TOLERANCE) -> None:
        """Raises EpisodeError when the recording is empty or of other joints or another rate."""
        if (episode.names, episode.spec.rate) != (spec.names, spec.rate):
            raise EpisodeError(
                f"{episode.path} was recorded on {episode.spec.name} at {episode.spec.rate:g} Hz, "
                f"this robot is {spec.name} at {spec.rate:g} Hz"
            )
        if not len(episode):
            raise EpisodeError(f"{episode.path} has no ticks to replay")
        self._episode, self._tolerance = episode, tolerance
        self._rows = {int(number): row for row, number in enumerate(episode.number)}
        self._tick = 0
        self._last = episode.sent.joint_pos[0]

    def __len__(self) -> int:
        """Ticks from the first to the last, lost ones included."""
        return int(self._episode.number[-1]) + 1

    def reset(self) -> None:
        """Begin at the first tick."""
        self._tick, self._last = 0, self._episode.sent.joint_pos[0]

    def act(self, obs: Observation) -> Action:
        """The recorded target of this tick. Raises EpisodeError on the first when the pose is not the recording's."""
        if self._tick == 0:
            self._check_pose(obs)
        row = self._rows.get(self._tick)
        self._tick += 1
        if row is None:
            return Action(self._last, source="hold")
        sent = self._episode.sent
        source = SOURCES[sent.source[row]]
        self._last = sent.joint_pos[row]
        return Action(self._last, sent.command[row], source if source in ("hold", "safety") else "policy")

    def _check_pose(self, obs: Observation) -> None:
        away = np.abs(obs.joint_pos - self._episode.joint_pos[0])
        worst = int(np.argmax(away))
        if not away[worst] <= self._tolerance:
            raise EpisodeError(
                f"{self._episode.names[worst]} is {away[worst]:.2f} rad from where the recording began "
                f"({self._tolerance:g} allowed); bring the robot to that pose first"
            )
