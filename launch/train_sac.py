"""`leash train sac`: learn to walk in simulation, from scratch or from demonstrations."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from msgspec import Meta
from msgspec.structs import replace
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from launch.checked import Count
from launch.demos import OUTCOMES, Learnable, Recorded, imitable
from launch.output import console
from launch.sac_plan import SacPlan, load_plan
from launch.shipped import PlanFile
from policies.checkpoint import read_manifest
from policies.manifest import check_fits
from policies.sac_checkpoint import Checkpoint, check_same, load_checkpoint
from robot.errors import PolicyError, UsageError
from robot.spec import Spec, load_spec

if TYPE_CHECKING:
    from launch.sac_gallery import Gallery

DEMONSTRATIONS = 15_000
"""Steps that `--from` shows when the plan does not say how many."""


SPARE = max(1, (os.cpu_count() or 2) - 1)
"""Cores that are left when the learner has one."""


@dataclass(frozen=True)
class TrainSac:
    """Learn to walk in simulation: `leash train sac --config launch/pupper_walk.yaml --out runs/walk`.

    On a robot instead, while it walks: `leash train sac --robot twin --help`.

    The folder gets the best policy, a checkpoint to go on from, curves for TensorBoard and a report.
    """

    config: PlanFile = None
    """YAML with the task, the randomization and the learner's settings; what it does not name keeps its default."""
    out: Path = Path("runs/sac")
    """Folder for everything that is written."""
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """A cloned policy to begin from: it demonstrates in the training's world, is imitated, then improved upon."""
    demos: tuple[Path, ...] = ()
    """Recordings to imitate as well: folders of episodes, or episode files."""
    outcomes: tuple[Learnable, ...] = OUTCOMES
    """Outcomes of `--demos` that are imitated."""
    minutes: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """Wall clock to train for, instead of the plan's."""
    seed: Annotated[int, Meta(ge=0)] | None = None
    """Seed, instead of the plan's."""
    collectors: Count = SPARE
    """Simulator processes; the learner is one more."""
    residual: Literal["trot"] | None = None
    """Learn corrections of the scripted trot instead of whole targets; it cannot do worse for long."""
    lockstep: bool = False
    """Steps and updates in turn in one process: slower, and the same again from the same seed."""
    resume: bool = False
    """Go on from the folder's checkpoint."""
    video: bool = True
    """Render the policy for the report."""
    json: bool = False
    """Print one JSON object on the last line."""


FREE = ("minutes", "updates", "judging", "compiled", "ratio", "sac")
"""Parts of a plan that may change when a training goes on; networks of another size are refused by themselves."""


def learn(config: TrainSac) -> dict[str, Any]:
    """Train, score the chosen policy on fresh draws, report; the figures."""
    from launch.sac_gallery import Gallery
    from launch.sac_score import final
    from launch.sac_story import write_story

    spec, plan = load_spec(), planned(config)
    checkpoint = config.out / "checkpoint.safetensors"
    resume = load_checkpoint(checkpoint, spec.hash) if config.resume else None
    if resume is not None:
        check_same(checkpoint, resume.standing, plan, FREE)
    prepare(config.out, checkpoint, fresh=resume is None)
    gallery = Gallery(plan, spec, config.out)
    work = _Work(plan, spec, gallery, checkpoint, resume, recorded(config, plan, spec))
    try:
        if resume is not None:
            gallery.best = resume.standing.best
        figures = _lockstep(work) if config.lockstep else _free(work, config.collectors)
    except PolicyError as error:
        if "--resume" in str(error) or not checkpoint.exists():
            raise
        raise PolicyError(f"{error}; --resume goes on from the last checkpoint") from None
    finally:
        gallery.close()
    if not gallery.policy.exists():
        raise PolicyError(f"{plan.minutes:g} minutes were too short to judge a single snapshot; give more --minutes")
    scored, scores = final(plan, gallery.policy)
    page = write_story(config.out, plan, gallery, scored, scores, video=config.video)
    return {**figures, **scored, "policy": str(gallery.policy), "report": str(page)}


def planned(config: TrainSac) -> SacPlan:
    """The plan with what the command line says. Raises PolicyError when `--from` does not fit."""
    plan = load_plan(config.config)
    if config.start is not None:
        check_fits(read_manifest(config.start), load_spec())
        demos = replace(
            plan.demonstrations,
            teacher=str(config.start),
            steps=plan.demonstrations.steps or DEMONSTRATIONS,
        )
        plan = replace(plan, demonstrations=demos)
    if config.demos and not plan.demonstrations.steps:
        raise UsageError(
            "--demos are imitated at the beginning, beside somebody who demonstrates in the training's world; "
            "give --from too, or a --config with demonstrations.steps above 0"
        )
    if config.residual is not None:
        plan = replace(plan, residual=config.residual)
    if plan.residual and plan.demonstrations.steps:
        raise UsageError("a residual begins as the trot itself; leave out --from and demonstrations.steps")
    return replace(plan, minutes=config.minutes or plan.minutes, seed=plan.seed if config.seed is None else config.seed)


def recorded(config: TrainSac, plan: SacPlan, spec: Spec) -> Recorded:
    """What recordings teach. Raises PolicyError when they reach out of the action box."""
    from sim.env import blend

    box = np.tile(plan.walk.box, len(spec.joints) // 3)
    newest = blend(plan.walk.filter_hz, spec.period)
    return imitable(config.demos, spec, plan.features, box, newest, config.outcomes)


def prepare(folder: Path, checkpoint: Path, *, fresh: bool) -> None:
    """Make the folder. Raises PolicyError when a training is there that would be lost."""
    if fresh and checkpoint.exists():
        raise PolicyError(
            f"{checkpoint} holds an earlier training; --resume goes on with it, another --out starts anew"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyError(f"cannot write to {folder}: {error.strerror}; give another --out") from None


@dataclass(frozen=True)
class _Work:
    """What a training is given."""

    plan: SacPlan
    spec: Spec
    gallery: "Gallery"
    checkpoint: Path
    resume: Checkpoint | None
    recorded: Recorded


def _free(work: _Work, collectors: int) -> dict[str, Any]:
    from launch.sac_free import FreeRun, run

    training = FreeRun(work.plan, work.spec, collectors, work.resume, work.recorded)
    with _progress(work.plan) as report, training:
        minutes = run(training, work.gallery, work.checkpoint, lambda minutes: report(minutes, training.told()))
        return {"minutes": minutes, "steps": sum(training.steps), "updates": training.ask().updates}


def _lockstep(work: _Work) -> dict[str, Any]:
    from launch.sac_lockstep import Lockstep, run

    began = time.monotonic()
    training = Lockstep(work.plan, work.spec, resume=work.resume, recorded=work.recorded)
    with _progress(work.plan) as report, training:
        run(training, work.gallery, work.checkpoint, lambda minutes: report(minutes, training.told()))
        minutes = (time.monotonic() - began) / 60
        return {"minutes": minutes, "steps": training.steps, "updates": training.learner.updates}


@contextmanager
def _progress(plan: SacPlan) -> Iterator[Callable[[float, str], None]]:
    """A bar with the figures that matter."""
    fields = TextColumn("{task.fields[figures]}")
    columns = BarColumn(20), TextColumn("{task.completed:.1f} of {task.total:g} min"), TimeRemainingColumn(), fields
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("learning", total=plan.minutes, figures="starting")

        def report(minutes: float, figures: str) -> None:
            bar.update(task, completed=min(minutes, plan.minutes), figures=figures)

        yield report
