"""`leash bench cockpit`: how old the picture on the page is, and what open pages cost the loop."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from launch.bench_pages import Pages
from launch.checked import Count, Seconds
from launch.chromium import missing
from launch.deploy import stopped
from launch.lateness import Lateness
from launch.logs import Logs
from launch.output import console
from launch.priority import first_in_line
from launch.recording import recorder_of
from launch.robots import Opened, RobotOptions, open_robot
from launch.standing import stand
from policies.gait import Trot
from robot.clock import MonotonicClock
from robot.errors import OperatorError
from robot.loop import run
from robot.types import Array, Log
from teleop.cockpit_link import Cockpit, CockpitOptions
from teleop.cockpit_log import CockpitLog
from teleop.cockpit_operator import BrowserOperator
from teleop.cockpit_wire import Status
from teleop.drive import Drive
from teleop.operator import Merged, Operator
from teleop.scripted import Scripted, wander

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
class Legs:
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
    legs = Legs()
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
        drive(robot, config.seconds, Legs(), cockpit)
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
def opened_pages(viewers: int) -> Iterator[tuple[Cockpit, Pages]]:
    """A cockpit with open pages."""
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        Cockpit(CockpitOptions(Path(folder), port=0)) as cockpit,
        Pages(cockpit.url, viewers) as pages,
    ):
        yield cockpit, pages


def drive(opened: Opened, seconds: float, legs: Legs, cockpit: Cockpit | None = None) -> None:
    """Stand up, then wander and record, watched or not."""
    operators: list[Operator] = [Scripted(wander(np.random.default_rng(0), seconds))]
    operators += [] if cockpit is None else [BrowserOperator(cockpit)]
    person = Drive(Merged(operators), Trot(opened.spec), clock=MonotonicClock())
    lateness = Lateness(opened.spec.period)
    views: list[Log] = [] if cockpit is None else [CockpitLog(cockpit, opened.spec, Status)]
    stand(opened)
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
