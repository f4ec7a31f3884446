"""`leash eval`: how often a policy falls, how well it follows a velocity command, how smoothly it moves."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from msgspec import Meta
from rich.progress import track
from rich.table import Table

from launch.brain import needs_imu, open_brain, steers
from launch.checked import Command, Count, Seconds, checked
from launch.deploy import terminable
from launch.evaluate import Trial, evaluate, summary
from launch.output import console, emit
from launch.priority import first_in_line
from launch.robots import RobotOptions, open_robot
from robot.errors import PolicyError, RobotError, UsageError


@dataclass(frozen=True)
class Eval:
    """Measure a policy on a simulated robot: `leash eval trot --robot twin --command 0.25 0 0 --json`."""

    policy: Annotated[str, tyro.conf.Positional]
    """`trot`, `stand`, a policy file, or the endpoint of a policy server."""
    gait: str = "trot"
    """What walks below a policy that steers by a camera: `trot`, or the file of a policy that follows commands."""
    task: Literal["walk", "track"] = "walk"
    """walk: follow `--command`. track: follow lines on the floor, on `--episodes` tracks that nobody learned from."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    command: Command = (0.25, 0.0, 0.0)
    """Body velocity to follow: forward m/s, left m/s, turn rad/s."""
    episodes: Annotated[Count, tyro.conf.arg(help="How many episodes.")] = 20
    seconds: Seconds = 10.0
    """Length of an episode."""
    settle: Annotated[float, Meta(ge=0)] = 1.0
    """Seconds at the start of each episode that the means leave out."""
    keys: Path | None = None
    """Folder with the keys of a policy server on another machine (`leash keys new`)."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Evaluate and print; exit code 0 whatever the figures say."""
    config = checked(tyro.cli(Eval, prog="leash eval", args=args))
    if config.settle >= config.seconds:
        raise UsageError(f"--settle {config.settle} leaves nothing of --seconds {config.seconds}; give a smaller one")
    if config.robot.robot == "pupper":
        raise RobotError("a real robot has no ground truth to score; use --robot sim or --robot twin")
    figures = measure(config)
    if config.json:
        emit(figures)
    else:
        console.print(table(config, figures))
    return 0


def measure(config: Eval) -> dict[str, float | int]:
    """Run the episodes and return their figures; see `launch.evaluate.summary` and `launch.track_score.Score`."""
    if config.task == "track":
        return _tracks(config)
    trial = Trial(config.episodes, config.seconds, config.settle)
    imu = needs_imu(config.policy, config.robot, config.keys, config.gait)
    with (
        terminable(),
        open_robot(config.robot, needs_imu=imu) as opened,
        open_brain(config.policy, opened.spec, opened.plan, config.keys, config.gait) as brain,
        first_in_line(opened.plan.processes.control.nice),
    ):
        scores = evaluate(opened, brain.told(config.command), trial)
        # Note: no refreshing thread, which would hold the interpreter against the loop on a busy machine.
        done = list(track(scores, "episodes", total=trial.episodes, console=console, auto_refresh=False))
        return summary(done, opened.gate_stops())


def _tracks(config: Eval) -> dict[str, float | int]:
    """Note: in PyBullet alone, whose floor can have a line."""
    from launch.track_pool import TrackPool
    from launch.track_score import attempts, score

    if config.robot.robot != "sim":
        raise UsageError(f"--task track has its lines in PyBullet; use --robot sim, not {config.robot.robot}")
    if not steers(config.policy):
        raise PolicyError(f"{config.policy} does not steer by a camera; make one that does with `leash dagger`")
    needs_imu(config.policy, config.robot, gait=config.gait)
    with terminable(), TrackPool(min(2, os.cpu_count() or 1), config.gait) as pool:
        return asdict(score(attempts(pool, Path(config.policy), config.episodes)))


def table(config: Eval, figures: dict[str, float | int]) -> Table:
    """The figures, for people."""
    made = Table("figure", "value", title=f"{config.policy} on {config.robot.robot}, command {config.command}")
    for key, value in figures.items():
        made.add_row(key, f"{value:.4g}")
    return made
