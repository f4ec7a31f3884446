"""Command lines whose numbers are checked against the bounds that their fields declare."""

import dataclasses
from typing import Annotated, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from leash_robot.robot.config.settings import at, explained, split
from leash_robot.robot.errors import UsageError

T = TypeVar("T")
Seconds = Annotated[float, Meta(gt=0, le=1e6)]
"""A length of time."""
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
"""How many; at least one."""


def checked(config: T) -> T:
    """The same options, once every number was found within its bounds. Raises UsageError naming option and bound."""
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            checked(value)
        elif _bounded(hint):
            _check(name, value, hint)
    return config


def _bounded(hint: object) -> bool:
    return any(isinstance(part, Meta) or _bounded(part) for part in get_args(hint))


def _check(name: str, value: object, hint: object) -> None:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        what, place = split(error)
        said = explained(what, (), object, at(list(value) if isinstance(value, tuple) else value, place))
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
        raise UsageError(f"--{name.replace('_', '-')} {shown}: {said}") from None
