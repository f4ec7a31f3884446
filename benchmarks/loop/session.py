"""`leash bench session`: how long nothing is recorded between two episodes, when the person does not wait either."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leash_robot.launch.commands.collect import Collect, collect
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.robots import RobotOptions
from leash_robot.launch.options.checked import Count, Seconds
from leash_robot.robot.dataset.episode import load_dataset
from leash_robot.teleop.operator import Event
from leash_robot.teleop.scripted_operator import Segment, VelocityBox, wander


@dataclass(frozen=True)
class BenchSession:
    """Dead time between episodes on the twin with a camera: `leash bench session --episodes 20`."""

    episodes: Count = 12
    """How many episodes, one right after the other."""
    seconds: Seconds = 3.0
    """Length of each."""
    json: bool = False
    """Print one JSON object on the last line."""


def measure(config: BenchSession) -> dict[str, float | int]:
    """From the last recorded tick of one episode to the first of the next. Label and start are pressed at once."""
    with tempfile.TemporaryDirectory(prefix="leash-") as name:
        folder = Path(name)
        robot, who = RobotOptions(robot="twin", camera=("on",)), OperatorOptions(operator=("scripted",))
        figures = collect(
            Collect(folder, robot, who, episodes=config.episodes, seconds=config.seconds), script=back_to_back
        )
        episodes = load_dataset(folder)
    ends = np.array([episode.time[-1] for episode in episodes[:-1]])
    begins = np.array([episode.time[0] for episode in episodes[1:]])
    dead = (begins - ends) * 1e3
    return {
        "episodes": len(episodes),
        "dead_time_p50_ms": float(np.median(dead)),
        "dead_time_max_ms": float(dead.max()),
        "late_p99_ms": float(str(figures["late_p99_ms"])),
        "gate_stops": int(str(figures["gate_stops"])),
    }


def back_to_back(episodes: int, seconds: float, seed: int, box: VelocityBox | None) -> list[Segment]:
    """A session of somebody who labels an episode and starts the next one in the same moment."""
    rng = np.random.default_rng(seed)
    script: list[Segment] = []
    for number in range(episodes):
        begin = (Event.START,) if number == 0 else (Event.SUCCESS, Event.START)
        script += [Segment(0.0, events=begin), *wander(rng, seconds, box)]
    return [*script, Segment(0.5, events=(Event.SUCCESS,)), Segment(0.0, events=(Event.QUIT,), engaged=False)]
