"""`leash bench gait`: how fast the scripted trot really goes, against what it is told, in each direction."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from msgspec import Meta

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.options.checked import Seconds
from leash_robot.launch.reporting.output import console, note
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.errors import RobotError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.locomotion.velocity_command import Command, ConstantCommand
from leash_robot.sim.evaluation.episode import EpisodeLength, run_episode

DIRECTIONS: dict[str, Command] = {
    "forward": (0.25, 0.0, 0.0),
    "sideways": (0.0, 0.08, 0.0),
    "turn": (0.0, 0.0, 0.6),
    "backward": (-0.2, 0.0, 0.0),
    "arc": (0.2, 0.0, 0.4),
    "diagonal": (0.15, -0.06, -0.3),
}
Simulated = Literal["sim", "twin"]
ACHIEVED = ("speed", "side_speed", "yaw_rate")


@dataclass(frozen=True)
class BenchGait:
    """Commanded against achieved speed of the trot: `leash bench gait --robot both`."""

    robot: Literal["sim", "twin", "both"] = "both"
    """sim: PyBullet, as fast as it runs. twin: MuJoCo over the serial line and through the gate, in real time."""
    seconds: Seconds = 30.0
    """Length of each run."""
    settle: Annotated[float, Meta(ge=0)] = 5.0
    """Seconds at the start of each run that the means leave out."""
    directions: Annotated[tuple[str, ...], tyro.conf.arg(help=f"Out of {', '.join(DIRECTIONS)}.")] = tuple(DIRECTIONS)
    """Which way to go, one run each."""
    json: bool = False
    """Print one JSON object on the last line."""


def measure(config: BenchGait) -> dict[str, Any]:
    """Walk in every direction on every robot asked for.

    Keys: per robot and direction `commanded` and `achieved` (vx, vy, yaw rate), `error_percent` of the worst commanded
    entry, `no_fall`; over all of them `error_percent_max` and `no_fall`.
    """
    unknown = sorted(set(config.directions) - set(DIRECTIONS))
    if unknown:
        raise RobotError(f"no direction is called {unknown[0]!r}; known are {', '.join(DIRECTIONS)}")
    robots: tuple[Simulated, ...] = ("sim", "twin") if config.robot == "both" else (config.robot,)
    runs: dict[str, dict[str, Any]] = {robot: walk(RobotOptions(robot=robot), config) for robot in robots}
    every = [run for directions in runs.values() for run in directions.values()]
    return {
        "seconds": config.seconds,
        "error_percent_max": max(run["error_percent"] for run in every),
        "no_fall": all(run["no_fall"] for run in every),
        **runs,
    }


def walk(options: RobotOptions, config: BenchGait) -> dict[str, dict[str, Any]]:
    """One run in each direction on one robot, which is opened once."""
    runs: dict[str, dict[str, Any]] = {}
    with terminable(), open_robot(options) as opened, first_in_line(opened.plan.processes.control.nice):
        if opened.simulator is None:
            raise RobotError("a real robot has no ground truth to measure; use --robot sim or --robot twin")
        for name in config.directions:
            console.print(f"trot on {options.robot}: {name} {DIRECTIONS[name]} for {config.seconds:g} s")
            runs[name] = one_run(opened, DIRECTIONS[name], config)
    return runs


def one_run(opened: Opened, command: Command, config: BenchGait) -> dict[str, Any]:
    """Walk at one command from the stand pose."""
    length = EpisodeLength(config.seconds, config.settle)
    policy = ConstantCommand(Trot(opened.spec), command)
    score, _ = run_episode(opened, policy, length, report=note)
    achieved = [score[key] for key in ACHIEVED]
    return {
        "commanded": list(command),
        "achieved": achieved,
        "error_percent": error_percent(command, achieved),
        "no_fall": bool(score["no_fall"]),
        "action_rate": score["action_rate"],
    }


def error_percent(command: Command, achieved: list[float]) -> float:
    """Largest deviation of a commanded entry, as a share of what was commanded [%]; NaN counts as 100."""
    wanted, got = np.array(command), np.nan_to_num(np.array(achieved))
    asked = wanted != 0.0
    return float(np.max(np.abs(got[asked] / wanted[asked] - 1.0)) * 100.0)
