"""The options of `leash eval --grid`."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from leash_robot.launch.options.checked import Count
from leash_robot.sim.evaluation.samples import CommandRanges


@dataclass(frozen=True)
class HeldOutOptions:
    """Many machines instead of one."""

    grid: str | None = None
    """Table of ranges to draw machines from: `outside`, `inside`, `hard`, `train`, or a YAML file. Time is virtual
    then, and every draw is an episode with a velocity command of its own, over the serial protocol and through the
    gate."""
    draws: Annotated[Count, tyro.conf.arg(help="How many machines are drawn.")] = 100
    commands: CommandRanges = field(default_factory=CommandRanges)
    """What is asked of them, unless --command fixes it."""
    beside: bool = True
    """Walk the same draws in PyBullet, too."""
    realtime: bool = False
    """Walk the same draws through the real processes (gate, pseudo-terminal, clock), too, to check the lock-step."""
    workers: Annotated[Count, tyro.conf.arg(help="How many processes walk at a time.")] = os.cpu_count() or 1
    out: Path | None = None
    """Folder for the draws, which an interrupted evaluation goes on from, and the picture. In runs/eval by default."""
