"""Which velocity commands a policy states that it follows, and the refusal of what lies beyond them."""

from pathlib import Path

from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.scripted.gait import TrotConfig
from leash_robot.robot.errors import UsageError
from leash_robot.robot.locomotion.velocity_command import Command

Bounds = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Of vx, vy [m/s] and yaw rate [rad/s]."""


def trot_bounds() -> Bounds:
    """What the scripted trot follows; it cuts off the rest."""
    vx, vy, yaw = TrotConfig().limit
    return (-vx, vx), (-vy, vy), (-yaw, yaw)


def stated(name: str) -> Bounds | None:
    """What the scripted gait or policy file of this name states; None where it states nothing."""
    if name == "trot":
        return trot_bounds()
    return None if name == "stand" else read_manifest(Path(name)).commands


def within(command: Command, bounds: Bounds | None) -> None:
    """Raise UsageError unless each entry of a command lies between zero and its bounds, where there are any."""
    for name, value, (least, most) in zip(("vx", "vy", "yaw rate"), command, bounds or (), strict=bounds is not None):
        low, high = min(0.0, least), max(0.0, most)
        if not low <= value <= high:
            unit = "rad/s" if name == "yaw rate" else "m/s"
            raise UsageError(
                f"--command: {name} {value:g} is beyond what this policy follows; give {low:g} to {high:g} {unit}"
            )
