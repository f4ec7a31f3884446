"""The parts of the demo that drive the twin: demonstrating, taking over, and walking to compare."""

from pathlib import Path
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from leash_robot.launch.commands.collect import Collect, collect
from leash_robot.launch.commands.demo.report import DemoWalk
from leash_robot.launch.commands.intervene import Intervene, intervene
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.policies import needs_imu, open_policy
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.reporting.output import console, note
from leash_robot.policies.imitation.score import HELD_OUT_TRACKS
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.types import Array, Tick
from leash_robot.sim.evaluation.episode import EpisodeLength, run_episode, summary
from leash_robot.sim.twin.twin import TwinProcess

NOISE = 0.03
"""Deviation of the disturbance on demonstrated targets, so that recoveries are demonstrated too [rad]."""
WALK = EpisodeLength(seconds=10.0, settle=1.0)


class Poses:
    """Fits `Log`: keeps the twin's pose at every tick, for a film."""

    def __init__(self, twin: TwinProcess) -> None:
        self._twin = twin
        self.taken: list[Array] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Keep one pose."""
        self.taken.append(self._twin.state().qpos)


def demonstrate(folder: Path, episodes: int, seconds: float, seed: int) -> None:
    """Record a scripted operator driving the twin with its head camera, from power-up on."""
    robot = RobotOptions(robot="twin", camera=("on",), boot="cold", seed=seed)
    who = OperatorOptions(operator=("scripted",))
    collect(Collect(folder, robot, who, episodes=episodes, seconds=seconds, disturb=NOISE, task="walk"))


def correct(policy: Path, folder: Path, episodes: int, seconds: float, seed: int) -> dict[str, object]:
    """Record a policy that drives the twin and a scripted person who takes over at random; the session's figures."""
    who = OperatorOptions(operator=("scripted",))
    robot = RobotOptions(robot="twin", seed=seed)
    return intervene(Intervene(str(policy), folder, robot, who, episodes=episodes, seconds=seconds, task="walk"))


def walk(policy: str, name: str, color: str, walks: int, speed: float, seed: int) -> DemoWalk:
    """Let a policy walk straight ahead on a fresh twin, several times, with noise that no demonstration had."""
    result, options = DemoWalk(name, color), RobotOptions(robot="twin", seed=HELD_OUT_TRACKS.start + seed)
    with (
        open_robot(options, needs_imu=needs_imu(policy, options)) as opened,
        open_policy(policy, opened.spec, opened.plan) as handle,
        first_in_line(opened.plan.processes.control.nice),
        progress() as bar,
    ):
        scores = [
            one_walk(opened, ConstantCommand(handle.policy, (speed, 0.0, 0.0)), result)
            for _ in bar.track(range(walks), description=name)
        ]
        result.figures = dict(summary(scores, opened.gate_stops()))
        if handle.remote is not None:
            result.round_trip.extend(handle.remote.stats.round_trip)
            result.model_time.extend(handle.remote.stats.model)
    return result


def one_walk(opened: Opened, policy: ConstantCommand, result: DemoWalk) -> dict[str, float]:
    """One scored walk; the poses of the first are kept for the film."""
    twin = opened.simulator
    if not isinstance(twin, TwinProcess):
        raise TypeError("the demo walks on the twin")
    poses = Poses(twin)
    score, scorer = run_episode(opened, policy, WALK, poses, report=note)
    result.scorers.append(scorer)
    result.poses = result.poses or poses.taken
    return score


def progress() -> Progress:
    """A bar that says what is done and what is left; without a thread, which would keep the loop waiting."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, auto_refresh=False)
