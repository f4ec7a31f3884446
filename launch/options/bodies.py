"""Options that name a robot: `--robot sim|twin|real|NAME`, and `--body NAME` for which body that is."""

from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from leash_robot.robot.bodies.registry import DEFAULT, KINDS, Body, find, names
from leash_robot.robot.errors import UsageError


def robot_named(given: str) -> str:
    """A kind of robot, or the name of a body. Raises UsageError for an unknown one."""
    if given not in KINDS and given not in names():
        raise UsageError(f"--robot {given}: choose one of {', '.join(map(repr, ['sim', 'twin', *names(), 'real']))}")
    return given


def body_named(given: str) -> str:
    """The name of a body. Raises UsageError for an unknown one."""
    return find(given).name


def body_of(robot: str, body: str) -> Body:
    """The registry's entry for `--robot` and `--body`. Raises UsageError where they name two bodies."""
    if robot in KINDS or body in {DEFAULT, robot}:
        return find(body if robot in KINDS else robot)
    raise UsageError(f"--robot {robot} and --body {body} name two bodies; leave one of them out")


RobotName = Annotated[
    str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join([*KINDS, DEFAULT]) + "}",
        instance_from_str=lambda words: robot_named(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    ),
]
"""A kind of robot, or the name of a body."""
BodyName = Annotated[
    str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME",
        instance_from_str=lambda words: body_named(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    ),
]
"""The name of a body."""
