"""`leash train sac`: learn to walk in simulation, from scratch or from demonstrations."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.launch.commands.train.demos import Recorded, imitable
from leash_robot.launch.composition.training.schema import WalkTraining, evaluation_walk, load_training
from leash_robot.launch.composition.training.walk_policy import action_filter_of
from leash_robot.launch.options.checked import Count
from leash_robot.launch.options.seeds import FINAL
from leash_robot.launch.options.shipped import PlanFile, PolicyFile
from leash_robot.launch.reporting.training_bar import TrainingBar, check_minutes
from leash_robot.policies.manifest import check_fits
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.checkpoint import Checkpoint, check_same, load_checkpoint
from leash_robot.policies.rl.config import TrainingConfig
from leash_robot.policies.rl.drivers import asynchronous, synchronous
from leash_robot.policies.rl.drivers.asynchronous import AsynchronousTraining
from leash_robot.policies.rl.drivers.synchronous import SynchronousTraining
from leash_robot.policies.rl.evaluation import Evaluation, Snapshot, SnapshotSelector
from leash_robot.policies.rl.task import EpisodeScore, TrainingTask
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable
from leash_robot.robot.errors import PolicyError, UsageError
from leash_robot.robot.spec import Spec, load_spec

if TYPE_CHECKING:
    from leash_robot.sim.evaluation.walk_score import RecordedWalk

Training = TypeVar("Training", bound=TrainingConfig)

DEMONSTRATIONS = 15_000
"""Steps that `--from` shows when the plan does not say how many."""
COMPILED = 3.0
"""Compiled updates are at most so many times as quick as the same without a compiler."""

SPARE = max(1, (os.cpu_count() or 2) - 1)
"""Cores that are left when the learner has one."""


@dataclass(frozen=True)
class TrainSac:
    """Learn to walk in simulation: `leash train sac --config pupper/walk --out runs/walk`.

    In any Gymnasium environment: `leash train sac --env Pendulum-v1`. On a robot instead, while it walks:
    `leash train sac --robot twin --help`.

    The folder gets the best policy, a checkpoint to go on from, curves for TensorBoard and a report. The exit code is 3
    where the criterion of the plan (`judging.target`) was not met; what goes on from there is printed.
    """

    env: str | None = None
    """Any Gymnasium environment with bounded continuous actions instead of a walk, by its name: `Pendulum-v1`."""
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


FREE = ("minutes", "updates", "stop", "judging", "compiled", "ratio", "sac", "keep")
"""Parts of a training that may change when it goes on; networks of another size are refused by themselves."""


def learn(config: TrainSac) -> dict[str, Any]:
    """Train, score the chosen policy on fresh seeds, report; the figures.

    `met` says whether the criterion of the training was met; where it was not, `go_on` is the command that goes on.
    """
    if config.env is not None:
        from leash_robot.launch.commands.train.environment import learn_environment

        return learn_environment(config, config.env)
    return learn_walk(config)


def learn_walk(config: TrainSac) -> dict[str, Any]:
    """Learn to walk in simulation."""
    from leash_robot.launch.composition.training.walk_policy import save_walk_policy
    from leash_robot.launch.composition.training.walk_task import WalkTask, walk_figures_of
    from leash_robot.launch.reporting.snapshots import SnapshotReport, walk_line

    spec, plan = load_spec(), planned(config)
    run = begin(config, plan, spec.hash)
    task = WalkTask(plan, spec)
    check_minutes(plan, run.before, most_updates(task))
    recordings = recorded(config, plan, spec)
    policy, commands = config.out / "policy.safetensors", plan.walk.commands
    given: dict[str, object] = {"slew": plan.slew, "commands": (commands.vx, commands.vy, commands.yaw)}

    def save(weights: Weights, made: Evaluation) -> None:
        save_walk_policy(policy, weights, plan, spec, walk_figures_of(made), **given)

    def report(made: Evaluation, snapshot: Snapshot, better: bool) -> None:
        figures = walk_figures_of(made)
        curves.add(figures, snapshot, walk_line(figures, made, snapshot, better=better))

    selector = SnapshotSelector(task, save, report)
    with TrainingBar(plan) as bar, contextlib.closing(SnapshotReport(config.out)) as curves:
        with run.hinting():
            if run.resume is not None and policy.exists():
                bar.phase("judging the policy of before")
                selector.rescore(rescored(plan, policy))
            figures = drive(config, task, selector, run, bar, recordings)
        if recordings is not None:
            figures |= {"recorded": len(recordings.actions), "recorded_left_out": recordings.left_out}
        figures |= _scored(config, plan, selector, policy, bar)
    return figures if selector.met else {**figures, "go_on": going_on(config, plan, figures["updates"])}


def _scored(
    config: TrainSac, plan: WalkTraining, selector: SnapshotSelector, policy: Path, bar: TrainingBar
) -> dict[str, Any]:
    """Score the policy on fresh draws, if there is one, and write the report."""
    from leash_robot.launch.reporting.training_report import write_training_report
    from leash_robot.sim.evaluation.walk_score import walk_figures

    chosen = policy if selector.has_policy else None
    bar.phase("scoring the policy on fresh draws")
    walks = final_walks(plan, chosen) if chosen else []
    scored = walk_figures([walk.score for walk in walks]) if chosen else {}
    bar.phase("writing the report")
    page = write_training_report(config.out, plan, selector, chosen, scored, walks, video=config.video)
    return {"met": selector.met, **scored, "policy": str(chosen) if chosen else None, "report": str(page)}


def final_walks(plan: WalkTraining, file: Path, seconds: float | None = None) -> "list[RecordedWalk]":
    """The policy in the file on fresh draws; it runs as it would be deployed, only the world is the training's."""
    return recorded_walks(plan, file, range(FINAL.start, FINAL.start + plan.judging.final), seconds)


def recorded_walks(
    plan: WalkTraining, file: Path, seeds: Sequence[int], seconds: float | None = None
) -> "list[RecordedWalk]":
    """The policy in the file on the machines and commands of these seeds."""
    from leash_robot.policies.cloned_policy import load
    from leash_robot.sim.envs.walk import PupperEnv
    from leash_robot.sim.evaluation.walk_score import record_walks

    return record_walks(PupperEnv(evaluation_walk(plan, seconds or plan.walk.seconds)), load(file)[1], seeds)


def rescored(plan: WalkTraining, file: Path) -> list[EpisodeScore]:
    """Scores of the policy in the file on the seeds that snapshots are evaluated on; without its slew, as they are."""
    from leash_robot.launch.composition.training.walk_task import episode_score
    from leash_robot.policies.cloned_policy import load
    from leash_robot.sim.envs.walk import PupperEnv
    from leash_robot.sim.evaluation.walk_score import record_walks

    judging = plan.judging
    env = PupperEnv(evaluation_walk(plan, judging.seconds))
    seeds = range(judging.seed, judging.seed + judging.episodes)
    return [episode_score(walk.score) for walk in record_walks(env, load(file, slewed=False)[1], seeds)]


def most_updates(task: TrainingTask) -> float:
    """How many updates a second this machine makes at the very most, from a few that are not compiled."""
    if task.config.minutes is None:
        return 0.0
    return COMPILED * task.factory.uncompiled().algorithm([], []).prepare()


def check_budget(config: TrainSac, plan: TrainingConfig, updates: int) -> None:
    """Raise UsageError where the budget was used up before."""
    if updates >= plan.updates:
        raise UsageError(
            f"{config.out} holds {updates} of {plan.updates} updates; --updates {updates + plan.updates // 2} goes on"
        )


def going_on(config: TrainSac, plan: TrainingConfig, updates: int) -> str:
    """The command that trains half as long again, after so many updates: an episode may have passed the budget."""
    more = plan.updates * 3 // 2
    more = more if updates < more else updates + plan.updates // 2
    words = ["leash", "train", "sac", "--out", str(config.out), "--resume", "--updates", str(more)]
    for name, given in (
        ("--env", config.env),
        ("--config", config.config),
        ("--from", config.start),
        ("--residual", config.residual),
    ):
        words += [name, str(given)] if given is not None else []
    words += ["--seed", str(config.seed)] if config.seed is not None else []
    return shlex.join([*words, *(["--lockstep"] if config.lockstep else [])])


def planned(config: TrainSac) -> WalkTraining:
    """The plan with what the command line says. Raises PolicyError when who demonstrates does not fit."""
    plan = load_training(config.config)
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
    return bounded(config, plan)


def bounded(config: TrainSac, plan: Training) -> Training:
    """The plan with the budget and the seed of the command line. Raises UsageError."""
    given = {name: getattr(config, name) for name in ("updates", "minutes", "seed")}
    plan = changed(plan, **{name: value for name, value in given.items() if value is not None})
    if config.lockstep and plan.minutes is not None:
        raise UsageError("--lockstep counts updates, so that it is the same again; give --updates instead of minutes")
    return plan


def changed(plan: Training, **given: object) -> Training:
    """The plan with these entries. Raises UsageError where they do not go with the others."""
    try:
        return replace(plan, **given)
    except ValueError as error:
        raise UsageError(f"{error}; leave one of them out") from None


def recorded(config: TrainSac, plan: WalkTraining, spec: Spec) -> Recorded:
    """What recordings teach. Raises PolicyError when they reach out of the action scale."""
    return imitable(config.demos, spec, plan.features, action_filter_of(plan, spec), config.outcomes)


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


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """Where a training begins."""

    checkpoint: Path
    resume: Checkpoint | None

    @property
    def before(self) -> float:
        """Minutes that earlier parts took."""
        return self.resume.info.minutes if self.resume else 0.0

    @contextlib.contextmanager
    def hinting(self) -> Iterator[None]:
        """Errors mention that the last checkpoint can be resumed, where there is one."""
        try:
            yield
        except PolicyError as error:
            if "--resume" in str(error) or not self.checkpoint.exists():
                raise
            raise PolicyError(f"{error}; --resume goes on from the last checkpoint") from None


def begin(config: TrainSac, plan: TrainingConfig, run_hash: str) -> TrainingRun:
    """Read the checkpoint, if it is to be resumed, and make the folder. Raises LeashError where that cannot be."""
    checkpoint = config.out / "checkpoint.safetensors"
    resume = load_checkpoint(checkpoint, run_hash) if config.resume else None
    if resume is not None:
        check_same(checkpoint, resume.info, plan, FREE)
        check_budget(config, plan, resume.info.updates)
    prepare(config.out, checkpoint, fresh=resume is None)
    return TrainingRun(checkpoint, resume)


def drive(
    config: TrainSac,
    task: TrainingTask,
    selector: SnapshotSelector,
    run: TrainingRun,
    bar: TrainingBar,
    recordings: Recorded = None,
) -> dict[str, Any]:
    """Train with the driver of the command line; how much was done."""
    if config.lockstep:
        with SynchronousTraining(task, resume=run.resume, recorded=recordings) as training:
            minutes = synchronous.run(training, selector, run.checkpoint, bar)
            counts = {"steps": training.steps, "updates": training.trainer.algorithm.updates}
            return {"minutes": minutes, **counts, **training.demonstrated}
    with AsynchronousTraining(task, config.collectors, run.resume, recordings) as training:
        minutes = asynchronous.run(training, selector, run.checkpoint, bar)
        counts = {"steps": training.progress.steps, "updates": training.progress.updates}
        return {"minutes": minutes, **counts, **training.demonstrated}
