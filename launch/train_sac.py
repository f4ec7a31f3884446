"""`leash train sac`: learn to walk in simulation, from scratch or from demonstrations."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from launch.checked import Count
from launch.output import console, emit
from launch.sac_plan import SacPlan, load_plan
from policies.sac_checkpoint import load_checkpoint
from robot.errors import PolicyError
from robot.spec import load_spec


@dataclass(frozen=True)
class TrainSac:
    """Learn to walk in simulation: `leash train sac --config launch/pupper_walk.yaml --out runs/walk`.

    The folder gets the best policy, a checkpoint to go on from, curves for TensorBoard and a report.
    """

    config: Path | None = None
    """YAML with the task, the randomization and the learner's settings; what it does not name keeps its default."""
    out: Path = Path("runs/sac")
    """Folder for everything that is written."""
    minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Wall clock to train for, instead of the plan's."""
    seed: int | None = None
    """Seed, instead of the plan's."""
    collectors: Count = max(1, (os.cpu_count() or 2) - 1)
    """Simulator processes; the learner is one more."""
    resume: bool = False
    """Go on from the folder's checkpoint."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(config: TrainSac) -> int:
    """Train, score, report."""
    figures = learn(config)
    if config.json:
        emit(figures)
    return 0


def learn(config: TrainSac) -> dict[str, Any]:
    """Train and write everything; the figures of the chosen policy."""
    from launch.sac_free import FreeRun, run
    from launch.sac_gallery import Gallery

    spec = load_spec()
    plan = planned(config)
    checkpoint = config.out / "checkpoint.safetensors"
    resume = load_checkpoint(checkpoint, spec.hash) if config.resume else None
    prepare(config.out, checkpoint, fresh=resume is None)
    gallery = Gallery(plan, spec, config.out)
    if resume is not None:
        gallery.best = resume.standing.best
    with progress(plan) as report, FreeRun(plan, spec, config.collectors, resume) as training:
        minutes = run(training, gallery, checkpoint, report)
        updates = training.ask()[0]
        steps = sum(training.steps)
    gallery.close()
    return {"minutes": minutes, "steps": steps, "updates": updates, "policy": str(gallery.policy)}


def planned(config: TrainSac) -> SacPlan:
    """The plan with what the command line says."""
    plan = load_plan(config.config)
    return replace(plan, minutes=config.minutes or plan.minutes, seed=plan.seed if config.seed is None else config.seed)


def prepare(folder: Path, checkpoint: Path, *, fresh: bool) -> None:
    """Make the folder. Raises PolicyError when a training is there that would be lost."""
    if fresh and checkpoint.exists():
        raise PolicyError(f"{checkpoint} holds an earlier training; --resume goes on with it, another --out starts anew")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyError(f"cannot write to {folder}: {error.strerror}; give another --out") from None


@contextmanager
def progress(plan: SacPlan) -> Iterator[Callable[[float, Any], None]]:
    """A bar with the figures that matter."""
    fields = TextColumn("{task.fields[figures]}")
    with Progress(BarColumn(), TimeRemainingColumn(), fields, console=console) as bar:
        task = bar.add_task("learning", total=plan.minutes, figures="")

        def report(minutes: float, training: Any) -> None:
            bar.update(task, completed=minutes, figures=f"{sum(training.steps)} steps")

        yield report
