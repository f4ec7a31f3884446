"""`leash eval`: how often a policy falls, how well it follows a velocity command, how smoothly it moves."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from msgspec import Meta
from rich.progress import track
from rich.table import Table

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.commands.eval.options import HeldOutOptions
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.policies import name_slow_cameras, needs_imu, open_policy, steers
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.output import console, emit, note
from leash_robot.robot.errors import PolicyError, RobotError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.locomotion.velocity_command import Command
from leash_robot.robot.spec import load_spec
from leash_robot.sim.evaluation.episode import EpisodeLength, evaluate, summary
from leash_robot.teleop.brake import Stoppable


@dataclass(frozen=True)
class Eval:
    """Measure a policy on a simulated robot: `leash eval trot --robot twin --command 0.25 0 0 --json`."""

    policy: Annotated[PolicyName, tyro.conf.Positional]
    """`trot`, `stand`, a policy file, or the endpoint of a policy server."""
    gait: PolicyName = ""
    """What walks below a policy that steers by a camera: the body's own gait (`trot` for Pupper) unless it is given, or
    the file of a policy that follows commands."""
    task: Literal["walk", "track"] = "walk"
    """walk: follow `--command`. track: follow lines on the floor, on `--episodes` tracks that nobody learned from."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    machines: Annotated[HeldOutOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=HeldOutOptions)
    top_speed: bool = False
    """Find the fastest straight walk that is followed on the nominal machine, in virtual time."""
    command: Command | None = None
    """Body velocity to follow: forward m/s, left m/s, turn rad/s. 0.25 0 0; with --grid drawn for each episode."""
    episodes: Annotated[Count, tyro.conf.arg(help="How many episodes.")] = 20
    seconds: Seconds | None = None
    """Length of an episode: 10, with --grid 20."""
    settle: Annotated[float, Meta(ge=0)] = 1.0
    """Seconds at the start of each episode that the means leave out."""
    keys: Path | None = None
    """Folder with the keys of a policy server on another machine (`leash keys new`)."""
    json: bool = False
    """Print one JSON object on the last line."""

    @property
    def length(self) -> float:
        """Of an episode [s]."""
        return self.seconds or (20.0 if self.machines.grid else 10.0)

    @property
    def nominal_command(self) -> Command:
        """The command of every episode of the nominal machine."""
        return self.command or (0.25, 0.0, 0.0)


def main(args: list[str]) -> int:
    """Evaluate and print; exit code 0 whatever the figures say."""
    config = checked(parsed(Eval, "leash eval", args))
    if config.settle >= config.length:
        raise UsageError(f"--settle {config.settle} leaves nothing of --seconds {config.length}; give a smaller one")
    if config.robot.kind == "real":
        raise RobotError("a real robot has no ground truth to score; use --robot sim or --robot twin")
    if config.machines.grid or config.top_speed:
        return _many(config)
    if config.machines != HeldOutOptions():
        raise UsageError("options of machines (--draws, --out and so on) mean nothing without --grid; name a table")
    figures = measure(config)
    if config.json:
        emit(figures)
    else:
        console.print(table(config, figures))
    return 0


def _many(config: Eval) -> int:
    """Evaluate on drawn machines; note: imported late, since it brings both simulators."""
    from leash_robot.launch.commands.eval import held_out
    from leash_robot.launch.reporting.evaluation_table import speeds
    from leash_robot.sim.evaluation.top_speed import nominal_task, top_speed

    _refuse_foreign(config)
    engines = held_out.engines_of(config.robot.robot, config.machines)
    with terminable():
        if config.top_speed:
            task = nominal_task(held_out.LocalPolicy(config.policy), load_spec(), config.robot.noise, config.length)
            fastest = top_speed(task, engines[0], config.machines.workers, console.print)
            return _print(config, {engines[0]: fastest}, lambda: console.print(speeds(config.policy, fastest)))
        job = held_out.HeldOut(
            config.policy, held_out.ranges_of(config.machines), config.machines.commands, config.robot.noise,
            config.length, config.command,
        )  # fmt: skip
        figures, results = held_out.measure(job, engines, config.machines)
    return _print(config, figures, lambda: held_out.show(f"{config.policy} on {config.machines.grid}", results))


def _print(config: Eval, figures: Mapping[str, Any], show: Callable[[], None]) -> int:
    if config.json:
        emit(figures)
    else:
        show()
    return 0


def _refuse_foreign(config: Eval) -> None:
    """Raise UsageError for an option that draws of machines would not heed."""
    plain = RobotOptions()
    for name in ("port", "camera", "calibration", "dynamics", "boot", "plan"):
        if getattr(config.robot, name) != getattr(plain, name):
            raise UsageError(f"--{name} means nothing to --grid and --top-speed; leave one of them out")
    if (config.episodes, config.settle, config.gait) != (Eval.episodes, Eval.settle, Eval.gait):
        raise UsageError("--episodes, --settle and --gait mean nothing to --grid and --top-speed; --grid has --draws")
    if config.machines.grid and config.top_speed:
        raise UsageError("--top-speed is measured on the nominal machine; leave out --grid")
    others = replace(config.machines, workers=HeldOutOptions.workers) != HeldOutOptions()
    if config.top_speed and (others or config.command is not None):
        raise UsageError("--top-speed asks for faster and faster; of the options of machines it heeds --workers alone")
    if config.task != "walk" or config.keys is not None or "://" in config.policy:
        raise UsageError("--grid and --top-speed let a policy file (or `trot`) walk; give its file, not a server")


def measure(config: Eval) -> dict[str, float | int]:
    """Run the episodes and return their figures: `sim.evaluation.episode.summary` or `imitation.score.RolloutScore`."""
    if config.task == "track":
        return _tracks(config)
    length = EpisodeLength(config.length, config.settle)
    imu = needs_imu(config.policy, config.robot, config.keys, config.gait)
    with (
        terminable(),
        attended() as person,
        open_robot(config.robot, needs_imu=imu, watch=person.watch) as opened,
        person.brake.on(opened.stop),
        open_policy(config.policy, opened.spec, opened.plan, config.keys, config.gait) as handle,
        first_in_line(opened.plan.processes.control.nice),
    ):
        name_slow_cameras(handle, opened)
        policy = Stoppable(handle.with_command(config.nominal_command), person.watch)
        scores = evaluate(opened, policy, length, config.episodes, check=person.brake.check, report=note)
        # Note: no refreshing thread, which would hold the interpreter against the loop on a busy machine.
        done = list(track(scores, "episodes", total=config.episodes, console=console, auto_refresh=False))
        opened.robot.rest()
        return summary(done, opened.gate_stops())


def _tracks(config: Eval) -> dict[str, float | int]:
    """Note: in PyBullet alone, whose floor can have a line."""
    from leash_robot.launch.composition.tracks import TrackPool
    from leash_robot.policies.imitation.score import attempts, score

    if config.robot.robot != "sim":
        raise UsageError(f"--task track has its lines in PyBullet; use --robot sim, not {config.robot.robot}")
    if not steers(config.policy):
        raise PolicyError(f"{config.policy} does not steer by a camera; make one that does with `leash dagger`")
    needs_imu(config.policy, replace(config.robot, camera=("on",)), gait=config.gait)
    with terminable(), TrackPool(min(2, os.cpu_count() or 1), config.gait) as pool:
        return asdict(score(attempts(pool, Path(config.policy), config.episodes)))


def table(config: Eval, figures: dict[str, float | int]) -> Table:
    """The figures, for people."""
    made = Table("figure", "value", title=f"{config.policy} on {config.robot.robot}, command {config.nominal_command}")
    for key, value in figures.items():
        made.add_row(key, f"{value:.4g}")
    return made
