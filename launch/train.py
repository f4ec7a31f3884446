"""`leash train`: make a policy out of recordings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from launch.checked import checked
from launch.output import console, emit
from policies.bc import BcConfig, Progress, train
from policies.checkpoint import check_writable, save_policy
from robot.episode import list_episodes, load_dataset
from robot.errors import EpisodeError


@dataclass(frozen=True)
class TrainBc:
    """Clone a demonstrator: `leash train bc data/trot --out walk.safetensors`."""

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of episodes, or episode files. Discarded and damaged episodes are left out."""
    out: Path = Path("policy.safetensors")
    """Where the policy goes."""
    bc: Annotated[BcConfig, tyro.conf.arg(name="")] = field(default_factory=BcConfig)
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Train, save, and say how well it went."""
    config = checked(tyro.extras.subcommand_cli_from_dict({"bc": TrainBc}, prog="leash train", args=args))
    figures = clone(config)
    console.print(f"{config.out}: off by {figures['held_out_rmse_rad']:.4f} rad on what was held out", highlight=False)
    if config.json:
        emit(figures)
    return 0


def clone(config: TrainBc) -> dict[str, Any]:
    """Train and save; see `policies.bc.Trained` for the figures, and `seconds`, `episodes`, `out`."""
    started = time.monotonic()
    check_writable(config.out)
    episodes = load_dataset(files(config.data), report=lambda line: console.print(line, highlight=False))
    with _bar() as bar:
        task = bar.add_task("cloning", total=config.bc.steps, error="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, error=f"{progress.held_out_rmse_rad:.4f} rad held out")

        trained = train(episodes, episodes[0].spec, config.bc, report=report)
    save_policy(config.out, trained.manifest, trained.weights)
    seconds = time.monotonic() - started
    return {"out": str(config.out), "episodes": len(episodes), "seconds": seconds, **trained.figures}


def files(data: Sequence[Path]) -> list[Path]:
    """The episodes that files and folders stand for. Raises EpisodeError."""
    found = [file for path in data for file in ([path] if path.suffix == ".mcap" else list_episodes(path))]
    if not found:
        raise EpisodeError(f"no episodes in {', '.join(map(str, data)) or 'nothing'}; record some with `leash collect`")
    return found


def _bar() -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[error]}"), TimeRemainingColumn())
    return Bar(*columns, console=console)
