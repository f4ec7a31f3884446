"""Which processes run, at what rate, under what condition: one YAML file for each kind of robot."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import SpecError

Condition = Literal["always", "cameras", "learned", "recording"]

KINDS = ("sim", "twin", "pupper")


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


def load_plan(kind: str, file: Path | None = None) -> Plan:
    """Read the plan of `sim`, `twin` or `pupper`, or the file given instead. Raises SpecError."""
    path = file or Path(__file__).parents[1] / "configs" / "robots" / f"{kind}.yaml"
    plan = read_yaml(path, Plan)
    for needed in {"sim": (), "twin": ("twin", "gate"), "pupper": ("gate",)}[kind]:
        if getattr(plan.processes, needed) is None:
            raise SpecError(f"{path}: a {kind} cannot run without the process {needed!r}; add it under processes")
    return plan
