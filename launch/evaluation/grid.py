"""`leash eval --grid`: a policy on many machines that nobody trained on, on the twin and in PyBullet beside it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leash_robot.launch.composition.command_bounds import stated, within
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import local_policy, open_brain
from leash_robot.launch.evaluation.figures import figures
from leash_robot.launch.evaluation.options import GridOptions
from leash_robot.launch.evaluation.plot import plot
from leash_robot.launch.evaluation.pool import GridPool
from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.launch.evaluation.run_log import Ledger
from leash_robot.launch.evaluation.table import Results, headline, thirds
from leash_robot.launch.evaluation.walk import Task, walk
from leash_robot.launch.options.tables import table
from leash_robot.launch.reporting.output import console, emit_to
from leash_robot.robot.errors import SpecError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.spec import load_spec
from leash_robot.sim.randomization.sampling import Ranges


def measure(task: Task, engines: Sequence[Engine], options: GridOptions) -> tuple[dict[str, Any], Results]:
    """Walk all draws on each engine; the figures by engine, see `evaluation.figures.figures`, and the results."""
    local_policy(task.policy, load_spec())  # a policy that cannot walk here is refused at once
    if task.command is not None:
        within(task.command, stated(task.policy))
    folder = options.out or Path("runs/eval") / _name(task, options)
    with Ledger(folder, asked(task), engines, options.draws) as ledger:
        if ledger.results:
            console.print(f"goes on after {len(ledger.results)} finished draws of {folder}", highlight=False)
        for result in _shown(_walks(task, engines, options, ledger), options.draws * len(engines), ledger):
            ledger.add(result)
        walked = sorted(ledger.results, key=lambda one: one.draw)
    results = {engine: [one for one in walked if one.engine == engine] for engine in engines}
    found: dict[str, Any] = {engine: figures(some) for engine, some in results.items()}
    found["out"] = str(folder)
    if "realtime" in results and "twin" in results:
        found["agreement"] = agreement(results["twin"], results["realtime"])
    plot(f"{Path(task.policy).stem} on {options.draws} draws of {options.grid}", results, folder / "grid.png")
    emit_to(folder / "figures.json", found)
    return found, results


def _walks(task: Task, engines: Sequence[Engine], options: GridOptions, ledger: Ledger) -> Iterator[Result]:
    missing = {engine: ledger.missing(engine) for engine in engines}
    prompt = missing.pop("realtime", [])
    with GridPool(options.workers) as pool:
        yield from pool.walk(task, missing)
    if prompt:  # by themselves, since they have to keep time
        yield from _in_realtime(task, prompt)


def _in_realtime(task: Task, draws: Sequence[int]) -> Iterator[Result]:
    spec, plan = load_spec(), load_plan("twin")
    _, needs_imu = local_policy(task.policy, spec)
    with open_brain(task.policy, spec, plan) as brain, first_in_line(plan.processes.control.nice):
        for index in draws:
            yield walk(task, "realtime", task.case(index), brain.policy, needs_imu=needs_imu)


def _shown(results: Iterator[Result], total: int, ledger: Ledger) -> Iterator[Result]:
    """The same, with a progress bar."""
    columns = (TextColumn("walking"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    # Note: no refreshing thread, which would hold the interpreter against a loop that keeps time.
    with Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as bar:
        row = bar.add_task("", total=total, completed=len(ledger.results))
        for result in results:
            yield result
            good = sum(one.success for one in ledger.results)
            bar.update(row, advance=1, description=f"{good} follow the command", refresh=True)


def asked(task: Task) -> dict[str, Any]:
    """What the result of a draw depends on."""
    return {
        "policy": _identity(task.policy),
        "ranges": msgspec.to_builtins(task.ranges),
        "commands": asdict(task.commands),
        "command": task.command,
        "seed": task.seed,
        "seconds": task.seconds,
        "leash": metadata.version("leash-robot"),
    }


def _identity(policy: str) -> str:
    path = Path(policy)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else policy


def _name(task: Task, options: GridOptions) -> str:
    digest = hashlib.sha256(msgspec.json.encode(asked(task), order="sorted")).hexdigest()
    return f"{Path(task.policy).stem}-{Path(str(options.grid)).stem.removeprefix('ranges_')}-{digest[:8]}"


def agreement(lockstep: Sequence[Result], realtime: Sequence[Result]) -> dict[str, float]:
    """How alike the same draws went in lock-step and in real time."""
    theirs = {one.draw: one for one in realtime}
    pairs = [(one, theirs[one.draw]) for one in lockstep if one.draw in theirs]
    up = [(one, other) for one, other in pairs if one.no_fall and other.no_fall]
    apart = [abs(a - b) for one, other in up for a, b in zip(one.reached[:2], other.reached[:2], strict=True)]
    return {
        "draws": len(pairs),
        "same_fall": sum(one.no_fall == other.no_fall for one, other in pairs),
        "same_success": sum(one.success == other.success for one, other in pairs),
        "speed_apart_m_s": sum(apart) / len(apart) if apart else float("nan"),
    }


def show(title: str, results: Results) -> None:
    """Tables for people."""
    console.print(headline(title, results))
    console.print(thirds(results))


def engines_of(robot: str, options: GridOptions) -> tuple[Engine, ...]:
    """Where the draws are walked. Raises UsageError."""
    if robot not in get_args(Engine):
        raise UsageError(f"--grid draws simulated machines; use --robot twin or sim, not {robot}")
    if robot == "sim":
        if options.realtime:
            raise UsageError("--realtime means nothing to --robot sim; use --robot twin")
        return ("sim",)
    return ("twin", *(("sim",) if options.beside else ()), *(("realtime",) if options.realtime else ()))


def ranges_of(options: GridOptions) -> Ranges:
    """The table of ranges that was asked for. Raises SpecError or UsageError."""
    for name in ("vx", "vy", "yaw"):
        low, high = getattr(options.commands, name)
        if not low <= high:
            raise UsageError(f"--{name} {low} {high} begins above its end; give the smaller one first")
    ranges, tick_ms = table(str(options.grid)), 1e3 * load_spec().period
    if ranges.telemetry_latency_ms[1] >= tick_ms:
        oldest = ranges.telemetry_latency_ms[1]
        raise SpecError(f"{options.grid}: telemetry_latency_ms reaches {oldest}, not below a tick, {tick_ms:g}")
    return ranges
