"""What goes out while deciders take turns: each begins where the last command left the robot."""

from dataclasses import replace
from typing import Literal

import numpy as np

from leash_robot.robot.limits import admitted
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array
from leash_robot.teleop.intervention.blend import Blend, Fade

Level = Literal["joints", "command"]
Decider = Literal["policy", "human", "nobody"]

LANDING = 1.0
"""Whoever stops a walking policy gets this long to put its feet down [s]."""
AT_REST = 1e-3
"""A robot whose target is this near to where it is to be held is held there [rad]."""


class Handover:
    """Keeps the last command, and blends from it whenever another decider is followed, or one that held goes on."""

    def __init__(self, spec: Spec, blend: Blend, level: Level, first: Decider) -> None:
        """The robot stands, and `first` has been followed so far: its first action goes out as it is."""
        self._spec, self._blend, self._level = spec, blend, level
        self._last: Array = spec.stand.copy() if level == "joints" else np.zeros(len(spec.commanded))
        self._followed = first
        self._fade: Fade | None = None
        self._land_until = -np.inf

    def went_out(self, sent: Action) -> None:
        """Begin the next step from what really went out after the limits, where somebody tells."""
        if self._level == "joints":
            self._last = sent.joint_pos

    def land(self, now: float) -> None:
        """Let a person's gait put the feet down, even if nobody holds the dead-man."""
        self._land_until = now + LANDING

    def landing(self, action: Action, now: float) -> Action:
        """An action that would hold the robot in mid-stride is carried out for a while, as the person's doing."""
        if self._level == "command" or action.source != "hold" or now >= self._land_until:
            return action
        away = np.abs(action.joint_pos - self._last)
        return replace(action, source="human") if bool(np.any(away > AT_REST)) else action

    def follow(self, who: Decider, action: Action, now: float) -> Action:
        """What goes out for the action of whoever decides."""
        if action.source in {"hold", "safety"}:
            return self._kept(action, "nobody")
        if who != self._followed:
            self._fade = Fade(self._last, now - self._spec.period, self._blend)
        return self._kept(self._blended(action, now) if self._fade else action, who)

    def stopped(self, action: Action) -> Action:
        """A soft stop, whatever the action."""
        return self._kept(replace(action, source="safety"), "nobody")

    def _blended(self, action: Action, now: float) -> Action:
        if self._fade is None:
            return action
        wanted = action.joint_pos if self._level == "joints" else action.command
        target, arrived = self._fade.step(wanted, self._last, now, self._spec.period)
        self._fade = None if arrived else self._fade
        return replace(action, joint_pos=target) if self._level == "joints" else replace(action, command=target)

    def _kept(self, action: Action, who: Decider) -> Action:
        """Remember what this leaves the robot commanded to."""
        self._followed = who
        self._fade = self._fade if who != "nobody" else None
        if self._level == "joints":
            self._last = admitted(action, self._last, self._spec).joint_pos
        else:
            self._last = np.zeros_like(action.command) if who == "nobody" else np.nan_to_num(action.command)
        return action
