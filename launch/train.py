"""`leash train`: make a policy out of recordings."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from launch.output import console, emit
from policies.bc import BcConfig, Progress, train
from policies.checkpoint import save_policy
from robot.episode import load_dataset


@dataclass(frozen=True)
class TrainBc:
    """Clone a demonstrator: `leash train bc data/trot --out walk.safetensors`."""

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folder of episodes, or episode files. Discarded and damaged episodes are left out."""
    out: Path = Path("policy.safetensors")
    """Where the policy goes."""
    bc: Annotated[BcConfig, tyro.conf.arg(name="")] = field(default_factory=BcConfig)
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Train, save, and say how well it went."""
    config = tyro.extras.subcommand_cli_from_dict({"bc": TrainBc}, prog="leash train", args=args)
    figures = clone(config)
    console.print(f"{config.out}: off by {figures['held_out_rmse_rad']:.4f} rad on what was held out", highlight=False)
    if config.json:
        emit(figures)
    return 0


def clone(config: TrainBc) -> dict[str, Any]:
    """Train and save; see `policies.bc.Trained` for the figures, and `seconds`, `episodes`, `out`."""
    started = time.monotonic()
    source = config.data[0] if len(config.data) == 1 and config.data[0].is_dir() else config.data
    episodes = load_dataset(source, report=lambda line: console.print(line, highlight=False))
    with _bar() as bar:
        task = bar.add_task("cloning", total=config.bc.steps, error="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, error=f"{progress.held_out_rmse_rad:.4f} rad held out")

        trained = train(episodes, episodes[0].spec, config.bc, report=report)
    save_policy(config.out, trained.manifest, trained.weights)
    seconds = time.monotonic() - started
    return {"out": str(config.out), "episodes": len(episodes), "seconds": seconds, **trained.figures}


def _bar() -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[error]}"), TimeRemainingColumn())
    return Bar(*columns, console=console)
