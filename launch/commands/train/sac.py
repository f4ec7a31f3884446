"""`leash train sac`: learn to walk in simulation, from scratch or from demonstrations."""

import contextlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.launch.commands.train.demos import Recorded, imitable
from leash_robot.launch.options.checked import Count
from leash_robot.launch.options.shipped import PlanFile, PolicyFile
from leash_robot.launch.rl.bar import TrainingBar, check_minutes
from leash_robot.launch.rl.plan import SacPlan, load_plan
from leash_robot.policies.manifest import check_fits
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.rl.checkpoint import Checkpoint, check_same, load_checkpoint
from leash_robot.robot.action_filter import ActionFilter
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable
from leash_robot.robot.errors import PolicyError, UsageError
from leash_robot.robot.spec import Spec, load_spec

if TYPE_CHECKING:
    from leash_robot.launch.rl.snapshots import Gallery

DEMONSTRATIONS = 15_000
"""Steps that `--from` shows when the plan does not say how many."""
COMPILED = 3.0
"""Compiled updates are at most so many times as quick as the same without a compiler."""

SPARE = max(1, (os.cpu_count() or 2) - 1)
"""Cores that are left when the learner has one."""


@dataclass(frozen=True)
class TrainSac:
    """Learn to walk in simulation: `leash train sac --config pupper/walk --out runs/walk`.

    On a robot instead, while it walks: `leash train sac --robot twin --help`.

    The folder gets the best policy, a checkpoint to go on from, curves for TensorBoard and a report. The exit code is 3
    where the criterion of the plan (`judging.target`) was not met; what goes on from there is printed.
    """

    config: PlanFile = None
    """YAML with the task, the randomization and the learner's settings; what it does not name keeps its default."""
    out: Path = Path("runs/sac")
    """Folder for everything that is written."""
    start: Annotated[PolicyFile, tyro.conf.arg(name="from")] = None
    """A policy to begin from, a file or a shipped one by its name: it demonstrates in the training's
    world, is imitated, then improved upon."""
    demos: tuple[Path, ...] = ()
    """Recordings to imitate as well: folders of episodes, or episode files."""
    outcomes: tuple[Learnable, ...] = OUTCOMES
    """Outcomes of `--demos` that are imitated."""
    updates: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    """Updates to make at most, those of earlier parts included, instead of the plan's."""
    minutes: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """Upper bound on the wall clock of learning besides; compiling and imitation do not count."""
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


FREE = ("minutes", "updates", "stop", "judging", "compiled", "ratio", "sac")
"""Parts of a plan that may change when a training goes on; networks of another size are refused by themselves."""


def learn(config: TrainSac) -> dict[str, Any]:
    """Train, score the chosen policy on fresh draws, report; the figures.

    `met` says whether the criterion of the plan was met; where it was not, `go_on` is the command that goes on.
    """
    from leash_robot.launch.rl.snapshots import Gallery

    spec, plan = load_spec(), planned(config)
    checkpoint = config.out / "checkpoint.safetensors"
    resume = load_checkpoint(checkpoint, spec.hash) if config.resume else None
    if resume is not None:
        check_same(checkpoint, resume.standing, plan, FREE)
        check_budget(config, plan, resume.standing.updates)
    prepare(config.out, checkpoint, fresh=resume is None)
    check_minutes(plan, resume.standing.minutes if resume else 0.0, most_updates(plan, spec))
    gallery = Gallery(plan, spec, config.out)
    work = _Work(plan, spec, gallery, checkpoint, resume, recorded(config, plan, spec))
    with TrainingBar(plan) as bar, contextlib.closing(gallery):
        figures = _trained(work, config, bar)
        if work.recorded is not None:
            figures |= {"recorded": len(work.recorded.actions), "recorded_left_out": work.recorded.left_out}
        figures |= _scored(work, config, bar)
    return figures if gallery.met else {**figures, "go_on": going_on(config, plan)}


def _trained(work: "_Work", config: TrainSac, bar: TrainingBar) -> dict[str, Any]:
    """Train; how much was done."""
    from leash_robot.launch.rl.score import rejudged

    try:
        if work.resume is not None and work.gallery.policy.exists():
            bar.phase("judging the policy of before")
            work.gallery.rejudge(rejudged(work.plan, work.gallery.policy))
        return _lockstep(work, bar) if config.lockstep else _free(work, config.collectors, bar)
    except PolicyError as error:
        if "--resume" in str(error) or not work.checkpoint.exists():
            raise
        raise PolicyError(f"{error}; --resume goes on from the last checkpoint") from None


def _scored(work: "_Work", config: TrainSac, bar: TrainingBar) -> dict[str, Any]:
    """Score the policy on fresh draws, if there is one, and write the report."""
    from leash_robot.launch.rl.report import write_story
    from leash_robot.launch.rl.score import final

    plan, gallery = work.plan, work.gallery
    policy = str(gallery.policy) if gallery.has_policy else None
    bar.phase("scoring the policy on fresh draws")
    scored, walks = final(plan, gallery.policy) if policy else ({}, [])
    bar.phase("writing the report")
    page = write_story(config.out, plan, gallery, scored, walks, video=config.video)
    return {"met": gallery.met, **scored, "policy": policy, "report": str(page)}


def most_updates(plan: SacPlan, spec: Spec) -> float:
    """How many updates a second this machine makes at the very most, from a few that are not compiled."""
    if plan.minutes is None:
        return 0.0
    from leash_robot.launch.rl.env import sizes
    from leash_robot.policies.rl.sac.sac import Learner

    return COMPILED * Learner(plan.sac, sizes(plan, spec), compiled=False).prepare()


def check_budget(config: TrainSac, plan: SacPlan, updates: int) -> None:
    """Raise UsageError where the budget was used up before."""
    if updates >= plan.updates:
        raise UsageError(
            f"{config.out} holds {updates} of {plan.updates} updates; --updates {updates + plan.updates // 2} goes on"
        )


def going_on(config: TrainSac, plan: SacPlan) -> str:
    """The command that trains half as long again."""
    words = ["leash", "train", "sac", "--out", str(config.out), "--resume", "--updates", str(plan.updates * 3 // 2)]
    for name, given in (("--config", config.config), ("--from", config.start), ("--residual", config.residual)):
        words += [name, str(given)] if given is not None else []
    words += ["--seed", str(config.seed)] if config.seed is not None else []
    return shlex.join([*words, *(["--lockstep"] if config.lockstep else [])])


def planned(config: TrainSac) -> SacPlan:
    """The plan with what the command line says. Raises PolicyError when who demonstrates does not fit."""
    plan = load_plan(config.config)
    if config.start is not None:
        demos = replace(
            plan.demonstrations,
            teacher=str(config.start),
            steps=plan.demonstrations.steps or DEMONSTRATIONS,
        )
        plan = replace(plan, demonstrations=demos)
    if plan.demonstrations.steps and plan.demonstrations.teacher != "trot":
        check_fits(read_manifest(Path(plan.demonstrations.teacher)), load_spec())
    if config.demos and not plan.demonstrations.steps:
        raise UsageError(
            "--demos are imitated at the beginning, beside somebody who demonstrates in the training's world; "
            "give --from too, or a --config with demonstrations.steps above 0"
        )
    if config.residual is not None:
        plan = changed(plan, residual=config.residual)
    if plan.residual and plan.demonstrations.steps:
        raise UsageError("a residual begins as the trot itself; leave out --from and demonstrations.steps")
    given = {name: getattr(config, name) for name in ("updates", "minutes", "seed")}
    plan = changed(plan, **{name: value for name, value in given.items() if value is not None})
    if config.lockstep and plan.minutes is not None:
        raise UsageError("--lockstep counts updates, so that it is the same again; give --updates instead of minutes")
    return plan


def changed(plan: SacPlan, **given: object) -> SacPlan:
    """The plan with these entries. Raises UsageError where they do not go with the others."""
    try:
        return replace(plan, **given)
    except ValueError as error:
        raise UsageError(f"{error}; leave one of them out") from None


def recorded(config: TrainSac, plan: SacPlan, spec: Spec) -> Recorded:
    """What recordings teach. Raises PolicyError when they reach out of the action box."""
    box = np.tile(plan.walk.box, len(spec.joints) // 3)
    action_filter = ActionFilter.with_cutoff(box, plan.walk.filter_hz, spec.rate)
    return imitable(config.demos, spec, plan.features, action_filter, config.outcomes)


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


def _free(work: _Work, collectors: int, bar: TrainingBar) -> dict[str, Any]:
    from leash_robot.launch.rl.asynchronous import FreeRun, run

    with FreeRun(work.plan, work.spec, collectors, work.resume, work.recorded) as training:
        minutes = run(training, work.gallery, work.checkpoint, bar)
        counts = {"steps": training.progress.steps, "updates": training.progress.updates}
        return {"minutes": minutes, **counts, **training.demonstrated}


def _lockstep(work: _Work, bar: TrainingBar) -> dict[str, Any]:
    from leash_robot.launch.rl.synchronous import Lockstep, run

    with Lockstep(work.plan, work.spec, resume=work.resume, recorded=work.recorded) as training:
        minutes = run(training, work.gallery, work.checkpoint, bar)
        counts = {"steps": training.steps, "updates": training.learner.updates}
        return {"minutes": minutes, **counts, **training.demonstrated}
