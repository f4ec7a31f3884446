"""`leash bench loop`: how punctual the 20 Hz loop is on the twin, with a camera, recording, and busy neighbours."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from msgspec import Meta

from leash_robot.launch.commands.deploy import stopped
from leash_robot.launch.composition.policies import open_policy
from leash_robot.launch.composition.recording import recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.options.checked import Seconds
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.robot.host.child import python_command
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.types import Tick


@dataclass(frozen=True)
class BenchLoop:
    """The loop's punctuality on the twin: `leash bench loop --seconds 60`."""

    seconds: Seconds = 60.0
    """How long to drive."""
    hogs: Annotated[int, Meta(ge=0, le=64), tyro.conf.arg(help="Busy processes beside it for each core.")] = 0
    policy: PolicyName = "trot"
    """`trot`, `stand` or a policy file (which then runs behind its server)."""
    camera: bool = True
    """Whether the 640x480 head camera runs and is recorded."""
    json: bool = False
    """Print one JSON object on the last line."""


class CameraAges:
    """Fits `Log`: how old the newest frame of each camera was at each tick."""

    def __init__(self) -> None:
        self.ages: list[float] = []

    def __enter__(self) -> "CameraAges":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        now = tick.obs.time + tick.obs.age
        self.ages.extend(now - image.time for image in tick.obs.images.values())

    def figures(self) -> dict[str, float]:
        """Percentiles of the frames' ages, or nothing without a camera."""
        if not self.ages:
            return {}
        p50, p99 = np.percentile(self.ages, [50, 99]) * 1e3
        return {"camera_age_p50_ms": float(p50), "camera_age_p99_ms": float(p99)}


def measure(config: BenchLoop) -> dict[str, float | int | str]:
    """Drive the twin for a while; return missed slots, lateness, gate stops and camera ages."""
    options = RobotOptions(robot="twin", camera=("on",) if config.camera else ())
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        open_robot(options) as opened,
        open_policy(config.policy, opened.spec, opened.plan) as handle,
        hogs(config.hogs * (os.cpu_count() or 1)),
    ):
        return drive(opened, ConstantCommand(handle.policy, (0.15, 0.0, 0.0)), Path(folder), config.seconds)


def drive(opened: Opened, policy: ConstantCommand, folder: Path, seconds: float) -> dict[str, float | int | str]:
    """Run the loop with everything attached."""
    lateness, ages = Lateness(opened.spec.period), CameraAges()
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(recorder_of(opened, folder, {"task": "bench"}))
        priority = stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        opened.robot.reset()
        recorder.begin()
        ticks = round(seconds * opened.spec.rate)
        run(opened.robot, policy, Logs(lateness, ages, recorder), ticks=ticks, done=stopped)
        # Before anything else, since without commands the gate soon stops, as it must.
        stops, why = opened.gate_stops(), opened.stopped()
        recorder.end()
    figures: dict[str, float | int | str] = {"seconds": seconds, "priority": priority, **lateness.figures()}
    return {**figures, **ages.figures(), "gate_stops": stops, "stopped": why}


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep `count` processes busy for the length of the block."""
    busy = [subprocess.Popen(python_command("\nwhile True: pass")) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
