"""`leash train`: make a policy out of recordings, or out of trial and error in simulation."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import tyro
from msgspec import Meta
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from launch.checked import checked
from launch.collect import short
from launch.demos import files
from launch.deploy import terminable
from launch.learned_with import marked
from launch.output import console, emit
from launch.train_sac import TrainSac, learn
from policies.bc import BcConfig, Progress, train
from policies.checkpoint import check_writable, save_policy
from policies.dagger import Weighting, weigh
from policies.manifest import Manifest
from robot.episode import Episode, load_dataset
from robot.types import Array
from teleop.help import FITTED, refit


@dataclass(frozen=True)
class TrainBc:
    """Clone a demonstrator: `leash train bc data/trot --out walk.safetensors`.

    Recordings of `leash intervene` may be among the data: `leash train bc data/trot data/corrected`.
    """

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of episodes, or episode files. Discarded and damaged episodes are left out."""
    out: Path = Path("policy.safetensors")
    """Where the policy goes."""
    bc: Annotated[BcConfig, tyro.conf.arg(name="")] = field(default_factory=BcConfig)
    weighting: Weighting = field(default_factory=Weighting)
    """How much corrections count, where `leash intervene` recorded any."""
    ask: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Part of the time in which the policy shall ask for help, fitted to how much its predecessor doubted in the
    recordings of `leash intervene`."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Train, save, and say how well it went."""
    commands: dict[str, Callable[..., TrainBc | TrainSac]] = {"bc": TrainBc, "sac": TrainSac}
    config = checked(tyro.extras.subcommand_cli_from_dict(commands, prog="leash train", args=args))
    if isinstance(config, TrainSac):
        return _sac(config)
    figures = clone(config)
    console.print(f"{config.out}: off by {figures['held_out_rmse_rad']:.4f} rad on what was held out", highlight=False)
    if config.json:
        emit(figures)
    return 0


def _sac(config: TrainSac) -> int:
    with terminable():
        figures = learn(config)
    if config.json:
        emit(figures)
    else:
        console.print(*(f"{key} {short(value)}" for key, value in figures.items()), sep=" · ", highlight=False)
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

        trained = train(episodes, episodes[0].spec, config.bc, weights=weights(episodes, config), report=report)
    manifest = noted(marked(trained.manifest, episodes), asking(episodes, config.ask))
    save_policy(config.out, manifest, trained.weights)
    seconds = time.monotonic() - started
    return {"out": str(config.out), "episodes": len(episodes), "seconds": seconds, **trained.figures}


def weights(episodes: Sequence[Episode], config: TrainBc) -> list[Array] | None:
    """How much each tick of each episode counts; None where the policy itself is imitated."""
    if config.bc.teacher == "policy":
        return None
    own = 1.0 if config.bc.teacher == "both" else config.weighting.own
    return weigh(episodes, replace(config.weighting, own=own))


def asking(episodes: Sequence[Episode], share: float) -> dict[str, float]:
    """From which doubt on help is asked, so that it would have been during `share` of what was recorded under
    supervision; nothing where no policy doubted.
    """
    doubts = [episode.policy.risk for episode in episodes if np.isfinite(episode.policy.risk).any()]
    return {FITTED: refit(np.concatenate(doubts), share).risk} if doubts else {}


def noted(manifest: Manifest, notes: Mapping[str, float]) -> Manifest:
    """The manifest with more notes on the training."""
    return msgspec.structs.replace(manifest, training={**manifest.training, **notes})


def _bar() -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[error]}"), TimeRemainingColumn())
    return Bar(*columns, console=console)
