"""Two levels: an upper policy decides where the body goes, a gait below makes the legs do it."""

from dataclasses import replace

import numpy as np

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Policy, unknown


class Steered:
    """Fits `Policy`: the gait walks at the body velocity that the upper policy's actions ask for in `command`.

    Who decided and how much it doubts are the upper policy's, and so are the proposals it chose between. Where it
    asks for nothing, holds or stops, the gait is told to stand.
    """

    def __init__(self, upper: Policy, gait: Policy) -> None:
        self._upper = upper
        self._gait = gait

    def reset(self) -> None:
        """Begin a new episode on both levels."""
        self._upper.reset()
        self._gait.reset()

    def act(self, obs: Observation) -> Action:
        """The gait's target for the upper policy's command."""
        wish = self._upper.act(obs)
        moves = wish.source in {"policy", "human"} and bool(np.isfinite(wish.command).all())
        command: Array = wish.command if moves else np.zeros_like(wish.command)
        walk = self._gait.act(replace(obs, command=command))
        source = wish.source if walk.source in {"policy", "human"} else walk.source
        return replace(
            wish,
            joint_pos=walk.joint_pos,
            command=command,
            source=source,
            human=_walked(wish.human, walk, decided=source == "human"),
            policy=_walked(wish.policy, walk, decided=source == "policy"),
        )


def _walked(proposal: Action | None, walk: Action, *, decided: bool) -> Action | None:
    """A proposal with its joint target: the gait's where it was decided, else none, for nobody walked it."""
    if proposal is None:
        return None
    return replace(proposal, joint_pos=walk.joint_pos if decided else unknown(len(walk.joint_pos)))


class Helm:
    """Fits `Policy`, as an upper one: passes the observed command on, for a `Drive` to put a person's into."""

    def __init__(self, spec: Spec) -> None:
        self._stand = spec.stand

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        """The command; the joint target is the gait's to find, so it stays at the stand pose."""
        return Action(self._stand.copy(), obs.command, "policy")
