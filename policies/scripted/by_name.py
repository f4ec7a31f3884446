"""Policies without a network, by name: those that the bodies declare, and `stand`, which every body can."""

from collections.abc import Mapping

from leash_robot.robot.bodies import registry
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Policy

STAND = "stand"
COMMON = {STAND: "leash_robot.policies.scripted.gait:Stand"}
"""What every body has."""


def names() -> tuple[str, ...]:
    """The names of all scripted policies of all bodies."""
    return tuple(sorted({name for body in registry.bodies() for name in body.defaults.scripted} | set(COMMON)))


def own_gaits() -> set[str]:
    """What carries out commands where nothing is named: an empty name, and each body's own."""
    return {"", *(body.defaults.gait for body in registry.bodies())}


def own_gait(spec: Spec) -> str:
    """The policy that carries out a command on a body by default."""
    body = registry.find_by_spec(spec.name)
    return STAND if body is None else body.defaults.gait


def scripted(name: str, spec: Spec) -> Policy:
    """The scripted policy of this name for a body. Raises PolicyError where it has none."""
    made: Policy = registry.load(_known(name, spec)[name])(spec)
    return made


def followed_commands(name: str) -> tuple[tuple[float, float], ...] | None:
    """From where to where (k, 2) a scripted policy says that it follows commands, in its class's `follows`; None where
    it says nothing.
    """
    found = next((body.defaults.scripted[name] for body in registry.bodies() if name in body.defaults.scripted), "")
    bounds: tuple[tuple[float, float], ...] | None = getattr(registry.load(found), "follows", None) if found else None
    return bounds


def _known(name: str, spec: Spec) -> Mapping[str, str]:
    body = registry.find_by_spec(spec.name)
    known = {**COMMON, **(body.defaults.scripted if body else {})}
    if name not in known:
        raise PolicyError(f"{spec.name} has no policy {name!r}; it has {', '.join(sorted(known))}")
    return known
