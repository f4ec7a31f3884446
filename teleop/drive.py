"""Driving: a person's velocity command, through the dead-man and the slew limit, into whatever policy walks."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from robot.clock import Clock
from robot.types import Action, Array, Observation, Policy
from teleop.operator import Event, Guarded, Intent, Operator

Row = tuple[float, float, float]

LONGEST_STEP = 0.2
"""No more than this is slewed at once, however long the loop slept [s]."""


@dataclass(frozen=True)
class Reins:
    """How far and how fast a person may steer: vx, vy, yaw rate."""

    fastest: Row = (0.4, 0.15, 1.0)
    """Largest command [m/s, m/s, rad/s]."""
    slew: Row = (1.0, 0.6, 4.0)
    """Largest change of the command a second [m/s^2, m/s^2, rad/s^2]; letting go stops at once."""


class Drive:
    """Fits `Policy`: the wrapped policy walks, a person says where to.

    Held, the action is the wrapped policy's with the person's command, and `source` says who is meant to be learned
    from: "human" when the walking is a means, "policy" when it is what is being tried. Let go, the command is zero and
    the source "hold". An e-stop asks for a soft stop until it is re-armed, whatever else is held.
    """

    def __init__(
        self,
        operator: Operator,
        policy: Policy,
        source: Literal["human", "policy"] = "human",
        *,
        reins: Reins | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`clock` is the one that stamps the operator's device; None takes the observation's time as now."""
        self._operator = Guarded(operator)
        self._policy = policy
        self._source = source
        self._reins = reins or Reins()
        self._clock = clock
        self._command: Array = np.zeros(3)
        self._time: float | None = None
        self._intent = Intent(-np.inf)
        self._stopped = False

    @property
    def intent(self) -> Intent:
        """What the person asked at the last tick, after the dead-man's rules."""
        return self._intent

    @property
    def command(self) -> Array:
        """(3,) body velocity of the last tick, after limits."""
        return self._command.copy()

    @property
    def armed(self) -> bool:
        """Whether the device is alive and has rested, so that holding the dead-man drives."""
        return self._operator.armed

    @property
    def stopped(self) -> bool:
        """Whether an e-stop waits to be re-armed."""
        return self._stopped

    def reset(self) -> None:
        """Begin again from standstill; an e-stop stays."""
        self._policy.reset()
        self._command = np.zeros(3)
        self._time = None

    def act(self, obs: Observation) -> Action:
        """Read the person, then let the wrapped policy realise what they ask."""
        self._intent = self._operator.read(obs.time if self._clock is None else self._clock.now())
        self._listen()
        self._command = self._slewed(obs.time)
        if self._stopped:
            return Action(obs.joint_pos.copy(), self.command, "safety")
        proposal = self._policy.act(replace(obs, command=self.command))
        return self._signed(proposal)

    def _listen(self) -> None:
        """E-stop and re-arm in the order they were asked; re-arming wants the dead-man to rest first."""
        for event in self._intent.events:
            if event is Event.ESTOP:
                self._stopped = True
            elif event is Event.REARM and self._stopped:
                self._stopped = False
                self._policy.reset()
                self._operator.disarm()
                self._intent = self._intent.released()

    def _slewed(self, time: float) -> Array:
        passed = 0.0 if self._time is None else min(max(time - self._time, 0.0), LONGEST_STEP)
        self._time = time
        if self._stopped or not self._intent.engaged:
            return np.zeros(3)
        fastest, step = np.array(self._reins.fastest), np.array(self._reins.slew) * passed
        wanted = np.clip(self._intent.command, -fastest, fastest)
        return np.clip(wanted, self._command - step, self._command + step)

    def _signed(self, proposal: Action) -> Action:
        """Note: a wrapped policy that holds or stops by itself, say because its server went away, is not overruled."""
        if proposal.source in {"hold", "safety"}:
            return replace(proposal, command=self.command)
        if self._intent.engaged:
            return replace(proposal, command=self.command, source=self._source)
        would = proposal if self._source == "policy" else None
        return replace(proposal, command=self.command, source="hold", policy=would)
