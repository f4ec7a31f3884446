"""Driving: a person's velocity command, through the dead-man and the slew limit, into whatever policy walks."""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from leash_robot.robot.clock import Clock
from leash_robot.robot.spec import BODY_VELOCITY, Spec
from leash_robot.robot.types import Action, Array, Observation, Policy, Source
from leash_robot.teleop.operator import LOST, STALE, Event, Guarded, Intent, Operator

Row = tuple[float, ...]

LONGEST_STEP = 0.2
"""No more than this is slewed at once, however long the loop slept [s]."""

QUIET = STALE - 0.06
"""A device silent for longer would be stale by the next tick, while its last command still goes out: it counts for
nothing now [s]."""

STOPPING = 1.0
"""A gait that was let go gets this long to put its feet down [s]."""

AT_REST = 1e-3
"""A target that moves less than this from tick to tick rests [rad]."""


@dataclass(frozen=True)
class Reins:
    """How far and how fast a person may steer; by default the body velocity vx, vy, yaw rate."""

    fastest: Row = tuple(axis.limit for axis in BODY_VELOCITY)
    """(k,) largest command, in the units of the spec."""
    slew: Row = tuple(axis.slew for axis in BODY_VELOCITY)
    """(k,) largest change of the command a second; letting go stops at once."""

    @classmethod
    def of(cls, spec: Spec) -> Self:
        """As far and as fast as a body's spec allows."""
        axes = spec.commanded
        return cls(tuple(axis.limit for axis in axes), tuple(axis.slew for axis in axes))

    def fitted(self, command: Array) -> Array:
        """(k,) a command within the limits; of a device with more axes the first ones count, missing ones are zero."""
        command = np.concatenate([command, np.zeros(len(self.fastest))])[: len(self.fastest)]
        fastest = np.array(self.fastest)
        clipped: Array = np.clip(command, -fastest, fastest)
        return clipped


class Drive:
    """Fits `Policy`: the wrapped policy walks, a person says where to.

    Held, the action is the wrapped policy's with the person's command, and `source` says who is meant to be learned
    from: "human" when the walking is a means, "policy" when it is what is being tried. Let go, the command is zero at
    once. A gait that serves a person then puts its feet down, which is still the person's doing, before the source
    becomes "hold"; a policy on trial is held where it is.

    A device that falls silent while it drives has let go, as above; `lost` seconds after its last sign of life the
    robot is stopped softly. A device that comes back before that must rest before its dead-man counts.

    An e-stop, or `stop`, asks for a soft stop. Re-arming takes effect at the next `reset`, when the robot stands again.
    """

    def __init__(
        self,
        operator: Operator,
        policy: Policy,
        source: Literal["human", "policy"] = "human",
        *,
        reins: Reins | None = None,
        clock: Clock | None = None,
        lost: float = LOST,
    ) -> None:
        """`clock` is the one that stamps the operator's device; None takes the observation's time as now.

        `lost` [s] is how long a person who has the robot in hand may be silent before it is stopped softly.
        """
        self._operator = Guarded(operator)
        self._policy = policy
        self._source = source
        self._reins = reins or Reins()
        self._clock = clock
        self._bound = lost
        self._command: Array = np.zeros(len(self._reins.fastest))
        self._time: float | None = None
        self._intent = Intent(-np.inf)
        self._stopped = self._rearmed = self._lost = False
        self._charged = math.inf
        self._cause = ""
        self._target: Array | None = None
        self._walking_until = -np.inf
        self._read_at = -np.inf

    @property
    def intent(self) -> Intent:
        """What the person asked at the last tick, after the dead-man's rules."""
        return self._intent

    @property
    def lost(self) -> bool:
        """Whether the robot is kept in its soft stop because the person was silent for too long."""
        return self._lost

    @property
    def trouble(self) -> str:
        """Why the robot was stopped for want of a person, and what to do; empty when it was not."""
        silent = f"nobody was heard from the operator's device for {self._bound:g} s, so the robot was stopped"
        return f"{silent}; see to it, then re-arm" if self._lost else ""

    def charge(self, since: float) -> None:
        """Hold any silence after `since` [s] against the person, for they have the robot in hand whether they hold the
        dead-man or not; infinity ends that.
        """
        self._charged = since

    @property
    def command(self) -> Array:
        """(k,) the command of the last tick, after limits."""
        return self._command.copy()

    @property
    def armed(self) -> bool:
        """Whether the device is alive and has rested, so that holding the dead-man drives."""
        return self._operator.armed

    @property
    def stopped(self) -> bool:
        """Whether the robot is to be kept in its soft stop."""
        return self._stopped

    @property
    def rearmed(self) -> bool:
        """Whether a person asked to go on after a stop; the robot must be made ready, then `reset`."""
        return self._rearmed

    @property
    def cause(self) -> str:
        """Why the robot is to be kept in its soft stop, where whoever stopped it said so; empty while it is not."""
        return self._cause

    def stop(self, cause: str = "") -> None:
        """Ask for a soft stop from the next tick on, as an e-stop does; for those who see a reason."""
        if not self._stopped:
            self._cause = cause
        self._stopped, self._rearmed = True, False

    def _silent(self) -> bool:
        """Whether the person who has the robot in hand has not been heard for too long."""
        charged = max(self._operator.alive, self._charged)
        return self._read_at - min(self._intent.lost_since, charged) > self._bound

    def rearm(self) -> None:
        """Let the next `reset` end a stop, as a person's re-arming does."""
        self._rearmed = self._stopped

    def reset(self) -> None:
        """Begin again from standstill. A stop stays unless it was re-armed, and then the dead-man must rest first."""
        self._policy.reset()
        self._command, self._time, self._target = np.zeros_like(self._command), None, None
        self._walking_until = -np.inf
        if self._rearmed:
            self._stopped = self._rearmed = self._lost = False
            self._cause = ""
            self._operator.disarm()
            self._operator.forget()

    def act(self, obs: Observation) -> Action:
        """Read the person, then let the wrapped policy realise what they ask."""
        self._read_at = obs.time if self._clock is None else self._clock.now()
        self._intent = self._operator.read(self._read_at)
        self._listen()
        self._command = self._slewed(obs.time)
        if self._stopped:
            return Action(obs.joint_pos.copy(), self.command, "safety")
        action = self._signed(self._policy.act(replace(obs, command=self.command)), obs)
        self._target = action.joint_pos
        return action

    def _listen(self) -> None:
        """Stop and re-arm in the order they were asked; then stop for a person who was silent for too long."""
        for event in self._intent.events:
            if event is Event.ESTOP:
                self.stop("somebody pressed STOP")
            elif event is Event.REARM:
                self.rearm()
        if not self._stopped and self._silent():
            self._lost = True
            self.stop()

    def _slewed(self, time: float) -> Array:
        passed = 0.0 if self._time is None else min(max(time - self._time, 0.0), LONGEST_STEP)
        self._time = time
        if self._stopped or not self._intent.engaged or self._read_at - self._intent.time > QUIET:
            return np.zeros_like(self._command)
        wanted, step = self._reins.fitted(self._intent.command), np.array(self._reins.slew) * passed
        return np.clip(wanted, self._command - step, self._command + step)

    def _signed(self, proposal: Action, obs: Observation) -> Action:
        """Say who asked. Note: a wrapped policy that holds or stops for want of its server is not overruled."""
        if proposal.source in {"hold", "safety"}:
            return replace(proposal, command=self.command)
        if self._intent.engaged:
            self._walking_until = obs.time + STOPPING
            return replace(proposal, command=self.command, source=self._source)
        return self._held(proposal, obs) if self._source == "policy" else self._stopping(proposal, obs)

    def _held(self, proposal: Action, obs: Observation) -> Action:
        target = obs.joint_pos.copy() if self._target is None else self._target
        return Action(target, self.command, "hold", policy=proposal)

    def _stopping(self, proposal: Action, obs: Observation) -> Action:
        """What the gait does about a command of zero; "hold" once it has come to rest."""
        if self._target is None or bool(np.all(np.abs(proposal.joint_pos - self._target) < AT_REST)):
            self._walking_until = -np.inf
        source: Source = "human" if obs.time < self._walking_until else "hold"
        return replace(proposal, command=self.command, source=source)
