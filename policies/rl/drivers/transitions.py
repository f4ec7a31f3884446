"""Ticks become rows of the replays: every step is remembered, what a person or an expert did also as a demonstration.

A step is complete when its reward is known, one tick later.
"""

from dataclasses import dataclass, replace

import numpy as np

from leash_robot.policies.rl.replay_buffer import FINAL, RUNNING, TERMINATED, TRUNCATED, ReplayBuffer
from leash_robot.policies.rl.sac.numpy_actor import Float32
from leash_robot.robot.encoding.action_filter import expressible


@dataclass(frozen=True, eq=False)
class Transition:
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


class TransitionRecorder:
    """Writes trajectories into the online replay, and what was demonstrated into a second one."""

    def __init__(self, online: ReplayBuffer, shown: ReplayBuffer) -> None:
        self._online, self._shown = online, shown
        self._last: Transition | None = None
        self.steps = self.demonstrated = 0
        """Steps that were remembered."""
        self.left_out = 0
        """Demonstrated steps that the action box cannot express: critics learn from them, the actor does not."""

    def begin(self) -> None:
        """Begin a trajectory; one that was left running ends where its last complete step ended."""
        if self._last is not None and self._online.written:
            self._close(self._last)
        self._last = None

    def add(
        self, now: Transition, reward: float, *, fell: bool = False, cut: bool = False, final: Transition | None = None
    ) -> None:
        """Complete the last step with what followed it. `cut` ends the trajectory without a failure.

        `final` is the final observation where one ends here: `now` under the command until now.
        """
        last, end = self._last, TERMINATED if fell else TRUNCATED if cut else RUNNING
        final = final or now
        if last is not None:
            self._add(self._online, last, reward, end)
            self.steps += 1
            if end != RUNNING:
                self._final(self._online, final)
            if last.shown:
                self._show(last, now, reward, end, final)
        self._last = None if fell else now

    def _show(self, last: Transition, now: Transition, reward: float, end: int, final: Transition) -> None:
        """A demonstration ends with the person's hands, as by a time limit."""
        left = end == RUNNING and not (now.shown and now.burst == last.burst)
        wanted = last.action if last.wanted is None else last.wanted
        self._add(self._shown, last, reward, TRUNCATED if left else end, wanted=wanted)
        self.demonstrated += 1
        self.left_out += not expressible(wanted)
        if left or end != RUNNING:
            self._final(self._shown, final)

    def _close(self, last: Transition) -> None:
        """Nobody knows what followed `last`: it is only the observation after the step before."""
        for replay in (self._online, self._shown) if last.shown else (self._online,):
            at = (replay.written - 1) % replay.place.capacity
            if replay.written and replay.columns["end"][at] == RUNNING:
                self._final(replay, last)
                replay.columns["end"][at] = TRUNCATED

    @staticmethod
    def _add(replay: ReplayBuffer, transition: Transition, reward: float, end: int, **more: Float32) -> None:
        replay.add(
            obs=transition.features,
            privileged=transition.privileged,
            action=transition.action,
            reward=np.float32(reward),
            end=end,
            burst=transition.burst,
            **more,
        )

    @staticmethod
    def _final(replay: ReplayBuffer, transition: Transition) -> None:
        replay.add(
            obs=transition.features, privileged=transition.privileged, reward=0.0, end=FINAL, burst=transition.burst
        )


def relabelled(transition: Transition, command: Float32, at: slice) -> Transition:
    """The same transition, had this been commanded: a person demonstrates what they steer."""
    features = transition.features.copy()
    features[at] = command
    return replace(transition, features=features)
