"""Which processes run, at what rate, under what condition: one YAML file for each kind: sim, twin, real."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.robot.bodies import registry
from leash_robot.robot.bodies.registry import KINDS, Body, Kind
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import SpecError

Condition = Literal["always", "cameras", "learned", "recording"]

NEEDED: dict[Kind, tuple[str, ...]] = {"sim": (), "twin": ("twin", "gate"), "real": ("gate",)}
"""Processes that a kind cannot run without."""


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process that always runs before ordinary ones where that is permitted, and is paced by the firmware."""

    when: Condition = "always"
    """Under what condition it runs at all."""


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process that is paced by what it answers to: telemetry, requests, ticks."""

    when: Condition = "always"
    """Under what condition it runs at all."""
    nice: Annotated[int, Meta(ge=-20, le=19)] = 0
    """Scheduling niceness; below zero only takes effect where permitted."""


class Paced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process (or, for `control`, the loop itself) that sets its own pace."""

    rate: Annotated[float, Meta(gt=0, le=2000)]
    """Turns a second."""
    when: Condition = "always"
    """Under what condition it runs at all."""
    nice: Annotated[int, Meta(ge=-20, le=19)] = 0
    """Scheduling niceness; below zero only takes effect where permitted."""


class Processes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The processes that leash knows how to start."""

    control: Paced
    """The loop: observe, act, send, log. Its rate must be the spec's."""
    gate: Prompt | None = None
    """Owns the serial port."""
    twin: Prompt | None = None
    """The simulated robot behind a serial port."""
    camera: Paced | None = None
    """One for each camera; its rate caps the spec's."""
    server: Process = Process(when="learned")
    """Runs a learned policy."""
    recorder: Process = Process(when="recording", nice=5)
    """Writes episodes."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of robot is run."""

    spec: str
    """Name or file of the robot's spec."""
    processes: Processes
    cameras: dict[str, str] = {}
    """Sources by camera name, used when cameras are asked for: /dev/video0, a URL, a file, `synthetic`."""

    def running(self, conditions: set[Condition]) -> dict[str, Prompt | Process | Paced]:
        """The processes that run when these conditions hold."""
        listed = {name: getattr(self.processes, name) for name in self.processes.__struct_fields__}
        return {
            name: process for name, process in listed.items() if process and process.when in {"always", *conditions}
        }


def kind_of(robot: str) -> Kind:
    """Which kind `--robot` names: the name of a body stands for the machine."""
    return next((kind for kind in KINDS if kind == robot), "real")


def load_plan(robot: str, file: Path | None = None, body: Body | None = None) -> Plan:
    """Read the plan of `sim`, `twin`, `real` or the name of a body, or the file given instead. Raises SpecError.

    The built-in plans fit every body: spec and rate are those of `body`, the default one where it is left out.
    """
    kind = kind_of(robot)
    path = file or Path(__file__).parents[1] / "configs" / "robots" / f"{kind}.yaml"
    plan = read_yaml(path, Plan)
    if file is None and body is not None and body.name != registry.DEFAULT:
        control = replace(plan.processes.control, rate=body.load_spec().rate)
        plan = Plan(str(body.spec), replace(plan.processes, control=control))
    for needed in NEEDED[kind]:
        if getattr(plan.processes, needed) is None:
            raise SpecError(f"{path}: a {robot} cannot run without the process {needed!r}; add it under processes")
    return plan
