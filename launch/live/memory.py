"""Ticks become rows of the replays: every step is remembered, what a person or a teacher did also as a demonstration.

A step is complete when its reward is known, one tick later.
"""

from dataclasses import dataclass, replace

import numpy as np

from leash_robot.policies.rl.replay_buffer import FINAL, RUNNING, TERMINATED, TRUNCATED, Replay
from leash_robot.policies.rl.sac.numpy_actor import Float32
from leash_robot.robot.action_filter import expressible


@dataclass(frozen=True, eq=False)
class Moment:
    """What was known, and what was done, at one tick."""

    features: Float32
    """(d,)"""
    privileged: Float32
    """(p,) for the critics alone"""
    action: Float32
    """(n,) as it was carried out; outside [-1, 1] where the action box cannot express that"""
    burst: int = 0
    """Number of the intervention that it belongs to; 0 is the policy's own."""
    shown: bool = False
    """Whether it is a demonstration."""
    wanted: Float32 | None = None
    """(n,) what a demonstrator wanted there, where that is not what was done"""


class Memory:
    """Writes trajectories into the online replay, and what was demonstrated into a second one."""

    def __init__(self, online: Replay, shown: Replay) -> None:
        self._online, self._shown = online, shown
        self._last: Moment | None = None
        self.steps = self.demonstrated = 0
        """Steps that were remembered."""
        self.left_out = 0
        """Demonstrated steps that the action box cannot express: critics learn from them, the actor does not."""

    def forget(self) -> None:
        """Begin a trajectory; one that was left running ends where its last complete step ended."""
        if self._last is not None and self._online.written:
            self._close(self._last)
        self._last = None

    def follow(
        self, now: Moment, reward: float, *, fell: bool = False, cut: bool = False, seen: Moment | None = None
    ) -> None:
        """Complete the last step with what followed it. `cut` ends the trajectory without a failure.

        `seen` is the final observation where one ends here: `now` under what was asked for until now.
        """
        last, end = self._last, TERMINATED if fell else TRUNCATED if cut else RUNNING
        seen = seen or now
        if last is not None:
            self._add(self._online, last, reward, end)
            self.steps += 1
            if end != RUNNING:
                self._final(self._online, seen)
            if last.shown:
                self._show(last, now, reward, end, seen)
        self._last = None if fell else now

    def _show(self, last: Moment, now: Moment, reward: float, end: int, seen: Moment) -> None:
        """A demonstration ends with the person's hands, as by a time limit."""
        left = end == RUNNING and not (now.shown and now.burst == last.burst)
        wanted = last.action if last.wanted is None else last.wanted
        self._add(self._shown, last, reward, TRUNCATED if left else end, wanted=wanted)
        self.demonstrated += 1
        self.left_out += not expressible(wanted)
        if left or end != RUNNING:
            self._final(self._shown, seen)

    def _close(self, last: Moment) -> None:
        """Nobody knows what followed `last`: it is only the observation after the step before."""
        for replay in (self._online, self._shown) if last.shown else (self._online,):
            at = (replay.written - 1) % replay.place.capacity
            if replay.written and replay.columns["end"][at] == RUNNING:
                self._final(replay, last)
                replay.columns["end"][at] = TRUNCATED

    @staticmethod
    def _add(replay: Replay, moment: Moment, reward: float, end: int, **more: Float32) -> None:
        replay.add(
            obs=moment.features,
            privileged=moment.privileged,
            action=moment.action,
            reward=np.float32(reward),
            end=end,
            burst=moment.burst,
            **more,
        )

    @staticmethod
    def _final(replay: Replay, moment: Moment) -> None:
        replay.add(obs=moment.features, privileged=moment.privileged, reward=0.0, end=FINAL, burst=moment.burst)


def relabelled(moment: Moment, command: Float32, at: slice) -> Moment:
    """The same moment, had this been asked for: what a person steers is what they show."""
    features = moment.features.copy()
    features[at] = command
    return replace(moment, features=features)
