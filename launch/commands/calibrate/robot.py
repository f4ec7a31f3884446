"""`leash calibrate joints`, `imu`, `motors` and `all`: the procedures that need no board."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate, parse, procedure_of
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed


@dataclass(frozen=True)
class CalibrateJoints(MachineOptions):
    """Find the zeros of the joints; also after every power-off: `leash calibrate joints --robot twin`."""

    against: Literal["floor", "stops"] = "floor"
    """What the legs feel for: a flat floor, or the hard stops of the joints, which are as good as they are built."""


def joints(args: Sequence[str]) -> int:
    """Find the zeros."""
    options = checked(parsed(CalibrateJoints, "leash calibrate joints", args))
    return calibrate(options, procedure_of(options, "stops" if options.against == "stops" else "joints"))


def imu(args: list[str]) -> int:
    """Find how the IMU is mounted."""
    return _calibrate("imu", args)


def motors(args: list[str]) -> int:
    """Identify the motors."""
    return _calibrate("motors", args)


def everything(args: list[str]) -> int:
    """Calibrate everything that needs no board."""
    return _calibrate("all", args)


def _calibrate(name: str, args: list[str]) -> int:
    options = parse(name, args)
    return calibrate(options, procedure_of(options, name))
