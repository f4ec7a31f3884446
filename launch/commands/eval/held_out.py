"""`leash eval --grid` and `--top-speed`: opens policy and engines, keeps the results, draws and prints."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leash_robot.launch.commands.eval.options import HeldOutOptions
from leash_robot.launch.composition.command_bounds import stated, within
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import local_policy, open_policy
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.launch.options.tables import table
from leash_robot.launch.reporting.evaluation_plot import plot
from leash_robot.launch.reporting.evaluation_table import Results, headline, thirds
from leash_robot.launch.reporting.output import console, emit_to
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.scripted.by_name import names
from leash_robot.robot.config.yaml_text import dump_yaml
from leash_robot.robot.errors import SpecError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.host.worker_pool import WorkerPool
from leash_robot.robot.locomotion.velocity_command import Command
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.evaluation.engines import SampledRobot
from leash_robot.sim.evaluation.figures import figures
from leash_robot.sim.evaluation.held_out import agreement, roll_out_missing
from leash_robot.sim.evaluation.result import Engine, EpisodeResult
from leash_robot.sim.evaluation.rollout import EvaluatedPolicy, HeldOutTask, roll_out
from leash_robot.sim.evaluation.run_log import EvaluationLog
from leash_robot.sim.evaluation.samples import CommandRanges, RandomizationSample
from leash_robot.sim.randomization.sampling import Ranges
from leash_robot.sim.randomization.twin_counterpart import counterpart
from leash_robot.sim.twin.twin import TwinProcess


@dataclass(frozen=True)
class LocalPolicy:
    """Fits `PolicyFactory`: a scripted gait or a policy file, in whatever process it is called."""

    name: str

    def __call__(self, spec: Spec) -> EvaluatedPolicy:
        """Open it. Raises PolicyError for one that does not fit the body, or steers by a camera."""
        policy, needs_imu = local_policy(self.name, spec)
        scale = () if self.name in names() else read_manifest(Path(self.name)).box
        return EvaluatedPolicy(policy, needs_imu, np.array(scale) if scale else None)


@dataclass(frozen=True)
class HeldOut:
    """One held-out evaluation of one policy."""

    policy: str
    ranges: Ranges
    commands: CommandRanges
    seed: int
    seconds: float
    command: Command | None = None
    spec: Spec = field(default_factory=load_spec)

    @property
    def task(self) -> HeldOutTask:
        """For the worker processes."""
        return HeldOutTask(
            LocalPolicy(self.policy), self.spec, self.ranges, self.commands, self.seed, self.seconds, self.command
        )

    @property
    def header(self) -> dict[str, Any]:
        """What the result of a sample depends on."""
        return {
            "policy": _identity(self.policy),
            "ranges": msgspec.to_builtins(self.ranges),
            "commands": asdict(self.commands),
            "command": self.command,
            "seed": self.seed,
            "seconds": self.seconds,
            "leash": metadata.version("leash-robot"),
        }


def measure(job: HeldOut, engines: Sequence[Engine], options: HeldOutOptions) -> tuple[dict[str, Any], Results]:
    """Roll out all samples on each engine; the figures by engine, see `sim.evaluation.figures`, and the results."""
    job.task.policy(job.spec)  # a policy that cannot walk here is refused at once
    if job.command is not None:
        within(job.command, stated(job.policy))
    folder = options.out or Path("runs/eval") / _name(job, options)
    with EvaluationLog(folder, job.header, engines, options.draws) as log:
        if log.results:
            console.print(f"goes on after {len(log.results)} finished draws of {folder}", highlight=False)
        for result in _shown(_rolled_out(job, engines, options, log), options.draws * len(engines), log):
            log.add(result)
        done = sorted(log.results, key=lambda one: one.draw)
    results = {engine: [one for one in done if one.engine == engine] for engine in engines}
    found: dict[str, Any] = {engine: figures(some) for engine, some in results.items()}
    found["out"] = str(folder)
    if "realtime" in results and "twin" in results:
        found["agreement"] = agreement(results["twin"], results["realtime"])
    plot(f"{Path(job.policy).stem} on {options.draws} draws of {options.grid}", results, folder / "grid.png")
    emit_to(folder / "figures.json", found)
    return found, results


def _rolled_out(
    job: HeldOut, engines: Sequence[Engine], options: HeldOutOptions, log: EvaluationLog
) -> Iterator[EpisodeResult]:
    missing = {engine: log.missing(engine) for engine in engines}
    realtime = missing.pop("realtime", [])
    with WorkerPool(options.workers) as pool:
        yield from roll_out_missing(job.task, missing, pool)
    if realtime:  # by themselves, since they have to keep time
        yield from _in_realtime(job, realtime)


def _in_realtime(job: HeldOut, indices: Sequence[int]) -> Iterator[EpisodeResult]:
    task, plan = job.task, load_plan("twin")
    needs_imu = task.policy(job.spec).needs_imu
    with open_policy(job.policy, job.spec, plan) as handle, first_in_line(plan.processes.control.nice):
        evaluated = EvaluatedPolicy(handle.policy, needs_imu, task.policy(job.spec).action_scale)
        for index in indices:
            sample = task.sample(index)
            yield roll_out(task, "realtime", sample, evaluated, _open_processes(sample, needs_imu=needs_imu))


@contextlib.contextmanager
def _open_processes(sample: RandomizationSample, *, needs_imu: bool) -> Iterator[SampledRobot]:
    """The path that `leash deploy --robot twin --dynamics FILE` takes, file included."""
    with tempfile.TemporaryDirectory(prefix="leash-") as folder:
        file = Path(folder) / "draw.yaml"
        file.write_text(dump_yaml(msgspec.to_builtins(counterpart(sample.dynamics))), encoding="utf-8")
        options = RobotOptions(robot="twin", dynamics=file, seed=sample.seed)
        with open_robot(options, needs_imu=needs_imu) as opened:
            twin = opened.simulator
            if not isinstance(twin, TwinProcess):
                raise TypeError("the twin's simulator handle is its process")
            yield SampledRobot(
                opened.robot, twin, twin.push, lambda: float(np.nan), stopped=opened.stopped, rearm=opened.rearm
            )


def _shown(results: Iterator[EpisodeResult], total: int, log: EvaluationLog) -> Iterator[EpisodeResult]:
    """The same, with a progress bar."""
    columns = (TextColumn("walking"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    # Note: no refreshing thread, which would hold the interpreter against a loop that keeps time.
    with Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as bar:
        row = bar.add_task("", total=total, completed=len(log.results))
        for result in results:
            yield result
            good = sum(one.success for one in log.results)
            bar.update(row, advance=1, description=f"{good} follow the command", refresh=True)


def _identity(policy: str) -> str:
    path = Path(policy)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else policy


def _name(job: HeldOut, options: HeldOutOptions) -> str:
    digest = hashlib.sha256(msgspec.json.encode(job.header, order="sorted")).hexdigest()
    return f"{Path(job.policy).stem}-{Path(str(options.grid)).stem.removeprefix('ranges_')}-{digest[:8]}"


def show(title: str, results: Results) -> None:
    """Tables for people."""
    console.print(headline(title, results))
    console.print(thirds(results))


def engines_of(robot: str, options: HeldOutOptions) -> tuple[Engine, ...]:
    """Where the samples are rolled out. Raises UsageError."""
    if robot not in get_args(Engine):
        raise UsageError(f"--grid draws simulated machines; use --robot twin or sim, not {robot}")
    if robot == "sim":
        if options.realtime:
            raise UsageError("--realtime means nothing to --robot sim; use --robot twin")
        return ("sim",)
    return ("twin", *(("sim",) if options.beside else ()), *(("realtime",) if options.realtime else ()))


def ranges_of(options: HeldOutOptions) -> Ranges:
    """The table of ranges that `--grid` names. Raises SpecError or UsageError."""
    for name in ("vx", "vy", "yaw"):
        low, high = getattr(options.commands, name)
        if not low <= high:
            raise UsageError(f"--{name} {low} {high} begins above its end; give the smaller one first")
    ranges, tick_ms = table(str(options.grid)), 1e3 * load_spec().period
    if ranges.telemetry_latency_ms[1] >= tick_ms:
        oldest = ranges.telemetry_latency_ms[1]
        raise SpecError(f"{options.grid}: telemetry_latency_ms reaches {oldest}, not below a tick, {tick_ms:g}")
    return ranges
