"""`leash bench cockpit`: how old the picture on the page is, and what open pages cost the loop."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leash_robot.benchmarks.loop.chromium import missing
from leash_robot.benchmarks.loop.pages import HeadlessPages
from leash_robot.launch.commands.deploy import stopped
from leash_robot.launch.composition.recording import recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.options.checked import Count, Seconds
from leash_robot.launch.reporting.output import console, note
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.errors import OperatorError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.standing import stand
from leash_robot.robot.types import Array, Log
from leash_robot.teleop.cockpit.client import Cockpit, CockpitOptions
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.cockpit.operator import BrowserOperator
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Merged, Operator
from leash_robot.teleop.scripted_operator import Scripted, wander

SETTLE = 2.0
"""Ticks of the first seconds after standing up are left out [s]."""


@dataclass(frozen=True)
class BenchCockpit:
    """The cockpit on the twin, with real pages in Chromium: `leash bench cockpit --seconds 30`."""

    seconds: Seconds = 20.0
    """How long to drive each time: with pages and without, by turns, and once more to look at the pixels."""
    viewers: Count = 2
    """How many pages are open."""
    rounds: Count = 3
    """How often to take turns."""
    json: bool = False
    """Print one JSON object on the last line."""


@dataclass
class MovingLegs:
    """What was measured, with pages and without."""

    late: dict[bool, list[Array]] = field(default_factory=lambda: {False: [], True: []})
    """Lateness of the ticks, by whether pages were open [s]."""
    stops: int = 0
    """How often the gate stopped the robot."""

    def p99(self, opened: bool) -> float:
        """Of all ticks of a kind [ms]."""
        return float(np.percentile(np.concatenate(self.late[opened]), 99) * 1e3)


def measure(config: BenchCockpit) -> dict[str, float | int]:
    """Drive by turns without a cockpit and with one; then look at the pixels. Raises OperatorError without Chromium.

    `pixel_p95_ms` is from a synthetic camera's capture to the animation frame at which its barcode was on the canvas;
    `late_shift_p99_ms` the difference of the 99th percentiles of the ticks' lateness, on the twin with its own camera,
    recording both times.
    """
    if problem := missing():
        raise OperatorError(f"the page is measured in a browser: {problem}")
    legs = MovingLegs()
    with open_robot(RobotOptions(robot="twin", camera=("on",))) as robot:
        for turn in range(config.rounds):
            console.print(f"turn {turn + 1} of {config.rounds}", highlight=False)
            drive(robot, config.seconds, legs)
            with opened_pages(config.viewers) as (cockpit, _):
                drive(robot, config.seconds, legs, cockpit)
    with (
        open_robot(RobotOptions(robot="twin", camera=("head=synthetic",))) as robot,
        opened_pages(config.viewers) as (cockpit, pages),
    ):
        drive(robot, config.seconds, MovingLegs(), cockpit)
        ages = np.array(pages.ages()) * 1e3
    return {
        "viewers": config.viewers,
        "pixel_p50_ms": float(np.percentile(ages, 50)),
        "pixel_p95_ms": float(np.percentile(ages, 95)),
        "frames_a_second": len(ages) / config.viewers / config.seconds,
        "late_p99_ms": legs.p99(opened=True),
        "late_p99_without_ms": legs.p99(opened=False),
        "late_shift_p99_ms": legs.p99(opened=True) - legs.p99(opened=False),
        "ticks": sum(map(len, legs.late[True])),
        "gate_stops": legs.stops,
    }


@contextlib.contextmanager
def opened_pages(viewers: int) -> Iterator[tuple[Cockpit, HeadlessPages]]:
    """A cockpit with open pages."""
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        Cockpit(CockpitOptions(Path(folder), port=0)) as cockpit,
        HeadlessPages(cockpit.url, viewers) as pages,
    ):
        yield cockpit, pages


def drive(opened: Opened, seconds: float, legs: MovingLegs, cockpit: Cockpit | None = None) -> None:
    """Stand up, then wander and record, watched or not."""
    operators: list[Operator] = [Scripted(wander(np.random.default_rng(0), seconds))]
    operators += [] if cockpit is None else [BrowserOperator(cockpit)]
    person = Drive(Merged(operators), Trot(opened.spec), clock=MonotonicClock())
    lateness = Lateness(opened.spec.period)
    views: list[Log] = [] if cockpit is None else [CockpitLog(cockpit, opened.spec, Status)]
    stand(opened, report=note)
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        recorder_of(opened, Path(folder), {"task": "bench"}) as recorder,
        first_in_line(opened.plan.processes.control.nice),
    ):
        stops = opened.gate_stops()
        recorder.begin()
        ticks = round(seconds * opened.spec.rate)
        run(opened.robot, person, Logs(recorder, lateness, *views), ticks=ticks, done=stopped)
        legs.stops += opened.gate_stops() - stops
        recorder.end()
    legs.late[cockpit is not None].append(lateness.late[round(SETTLE * opened.spec.rate) :])
