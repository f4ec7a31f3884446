"""What every target passes, in simulation and on the robot: not expired, finite, then range, then step."""

import math
from dataclasses import replace

import numpy as np

from leash_robot.robot.errors import WireError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array


def clamp(target: Array, last: Array, spec: Spec) -> Array:
    """Return the target (n,) moved into the joint range, then to within one step of the last sent target (n,).

    Range comes first, so that a target far outside cannot use up the step. Raises WireError when the target has the
    wrong shape or is not finite: there is no safe reading of NaN.
    """
    if target.shape != spec.lower.shape:
        raise WireError(f"a target of shape {target.shape} for {len(spec.joints)} joints")
    if not np.isfinite(target).all():
        joint = spec.names[int(np.argmin(np.isfinite(target)))]
        raise WireError(f"the target of {joint} is not finite")
    inside = np.clip(target, spec.lower, spec.upper)
    stepped: Array = np.clip(inside, last - spec.step, last + spec.step)
    return stepped


def timely(action: Action, now: float) -> Action:
    """The action, or one that holds, where it has expired by now [s]."""
    return replace(action, source="hold", expires=math.inf) if now > action.expires else action


def admitted(action: Action, last: Array, spec: Spec) -> Action:
    """What goes out for an action when the target before was `last` (n,).

    The clamped target with the action's own source; `last` again for one that holds or asks for a soft stop, and, with
    source "hold", for one that is no target at all.
    """
    if action.source in {"hold", "safety"}:
        return Action(last.copy(), action.command, action.source, action.risk)
    try:
        return Action(clamp(action.joint_pos, last, spec), action.command, action.source, action.risk)
    except WireError:
        return Action(last.copy(), action.command, "hold", action.risk)
