"""What is said of dynamics that a simulator cannot step: what went wrong, and which values are far from nominal."""

import msgspec

from leash_robot.robot.errors import RobotError

NAMED = 5
"""At most so many values are named."""


def impossible(dynamics: msgspec.Struct, what: str) -> RobotError:
    """The error to raise, in one line."""
    return RobotError(f"these dynamics cannot be simulated: {what}; {_unusual(dynamics)}")


def _unusual(dynamics: msgspec.Struct) -> str:
    nominal = type(dynamics)()
    odd = [name for name in dynamics.__struct_fields__ if getattr(dynamics, name) != getattr(nominal, name)]
    if not odd:
        return "all values are nominal"
    far = sorted(odd, key=lambda name: -_distance(getattr(dynamics, name), getattr(nominal, name)))[:NAMED]
    told = (f"{name} {_short(getattr(dynamics, name))} ({_short(getattr(nominal, name))})" for name in far)
    return f"bring what is far from nominal nearer to it: {', '.join(told)}"


def _distance(value: object, nominal: object) -> float:
    """How far from nominal a value is, as a factor either way or, from zero, as it stands; a list by its farthest."""
    if isinstance(value, tuple) and isinstance(nominal, tuple):
        return max(_distance(one, other) for one, other in zip(value, nominal, strict=True))
    if isinstance(value, float | int) and isinstance(nominal, float | int):
        return max(value / nominal, nominal / value) if value > 0 < nominal else abs(value - nominal)
    return 0.0


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return f"{max(value, key=abs):g} at most"
    return f"{value:g}" if isinstance(value, float | int) else type(value).__name__
