"""Options of the measurements of what must hold whatever happens: recordings, planned ends, stops, old pictures."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from msgspec import Meta

from leash_robot.launch.options.checked import Count, Seconds
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.policies.shipped import WALK

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class BenchDisk:
    """Whether reasons, labels, notes and takeovers on the disk are what random sessions showed, whatever was killed.

    For instance: `leash bench disk`.
    """

    sessions: Count = 200
    """How many sessions."""
    seed: int = 0
    """Of everything that is drawn."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures."""
        from leash_robot.benchmarks.safety.disk import measure

        return measure(self.sessions, self.seed)


@dataclass(frozen=True)
class BenchEnds:
    """Planned ends on drawn machines: each robot walks, its session ends, and it should end lying, without tipping.

    For instance: `leash bench ends --machines 20`.
    """

    policy: PolicyName = str(WALK)
    """`trot`, a policy file, or a shipped policy by its name."""
    machines: Count = 100
    """How many machines are drawn, each with a command of its own."""
    seed: Annotated[int, Meta(ge=0)] = 0
    """Draws machines, commands and the instants at which the sessions end."""
    grid: str = "inside"
    """Table of ranges to draw machines from, or a YAML file."""
    seconds: Seconds = 4.0
    """How long each robot walks at least; up to a second more, so that ends come in every phase of the gait."""
    workers: Annotated[Count, tyro.conf.arg(help="How many processes walk at a time.")] = os.cpu_count() or 1
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures; see `leash_robot.benchmarks.safety.ends.figures`."""
        from leash_robot.benchmarks.safety.ends import EndsTask, measure

        return measure(EndsTask(self.policy, self.grid, self.seed, self.seconds), self.machines, self.workers)


@dataclass(frozen=True)
class BenchStop:
    """How long a person's stop takes to the motors, in every state of real sessions on the twin.

    For instance: `leash bench stop`.
    """

    presses: Count = 100
    """How many stops, about 4 s each."""
    seed: Annotated[int, Meta(ge=0)] = 0
    """Of everything that is drawn."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures; see `leash_robot.benchmarks.safety.stop.figures`."""
        from leash_robot.benchmarks.safety.stop import measure

        return measure(self.presses, self.seed)


@dataclass(frozen=True)
class BenchFreeze:
    """Whether anything computed from an old picture is acted upon while a camera freezes, in every way it can.

    For instance: `leash bench freeze`.
    """

    freezes: Count = 100
    """How many freezes, about 3 s each."""
    seed: Annotated[int, Meta(ge=0)] = 0
    """Of everything that is drawn."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures; see `leash_robot.benchmarks.safety.freeze.figures`."""
        from leash_robot.benchmarks.safety.freeze import measure

        return measure(self.freezes, self.seed)
