"""Which commands a policy states that it follows, and the refusal of what lies beyond them or fits no body."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import UnsetType

from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.scripted.by_name import followed_commands, names
from leash_robot.robot.errors import UsageError
from leash_robot.robot.spec import BODY_VELOCITY, Axis, Spec

Bounds = tuple[tuple[float, float], ...]
"""(k, 2) of what is commanded; for legs of vx, vy [m/s] and yaw rate [rad/s]."""


def stated(name: str) -> Bounds | None:
    """What the scripted policy or policy file of this name states; None where it states nothing."""
    return followed_commands(name) if name in names() else read_manifest(Path(name)).commands


def command_for(spec: Spec, velocity: Sequence[float], axes: Sequence[float]) -> Sequence[float]:
    """(k,) what a body is commanded: a velocity, or where its spec says something else, that; zero where it is left
    out. Raises UsageError for the option that is not this body's, or another number of entries.
    """
    if isinstance(spec.command, UnsetType):
        if axes:
            raise UsageError(f"--axes: {spec.name} is commanded a velocity; give --command")
        return velocity
    if axes and len(axes) != len(spec.command):
        known = ", ".join(f"{axis.name} [{axis.unit}]" for axis in spec.command) or "nothing"
        raise UsageError(f"--axes: {len(axes)} numbers, but {spec.name} is commanded {known}")
    return axes or (0.0,) * len(spec.command)


def within(command: Sequence[float], bounds: Bounds | None, axes: Sequence[Axis] = BODY_VELOCITY) -> None:
    """Raise UsageError unless each entry of a command lies between zero and its bounds, where there are any."""
    if bounds is None:
        return
    for axis, value, (least, most) in zip(axes, command, bounds, strict=True):
        low, high = min(0.0, least), max(0.0, most)
        if not low <= value <= high:
            raise UsageError(
                f"--command: {axis.name} {value:g} is beyond what this policy follows; "
                f"give {low:g} to {high:g} {axis.unit}"
            )
