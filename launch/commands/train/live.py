"""`leash train sac --robot twin|pupper`: learn on the robot itself, while it walks, falls and stands up again.

This process drives the robot and holds no torch; the learner is another one, which can delay nothing here.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import tyro
from msgspec import Meta
from msgspec.structs import replace
from rich.progress import BarColumn, Progress, TextColumn

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.commands.train.demos import Recorded, imitable
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.learned_with import check_calibration
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import open_policy
from leash_robot.launch.composition.robots import Opened, RobotOptions, known_calibration, open_robot
from leash_robot.launch.composition.training.estimator import Velocity, make_estimator
from leash_robot.launch.composition.training.robot_task import PolicyExport, robot_factory, robot_task
from leash_robot.launch.composition.training.schema import WalkTraining, load_robot_training, with_robot_defaults
from leash_robot.launch.composition.training.walk_policy import action_filter_of
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import LivePlanFile, PolicyName
from leash_robot.launch.reporting.curves import Curves
from leash_robot.launch.reporting.output import console, emit, short
from leash_robot.launch.reporting.training_bar import OUTSIDE
from leash_robot.policies.freshness import Fresh
from leash_robot.policies.manifest import calibration_mark, check_fits
from leash_robot.policies.policy_file import check_writable, read_manifest
from leash_robot.policies.rl.algorithm import demonstration_columns
from leash_robot.policies.rl.checkpoint import Checkpoint, check_same, load_checkpoint
from leash_robot.policies.rl.drivers.learner_client import InlineLearner, LearnerClient, ProcessLearner
from leash_robot.policies.rl.drivers.learner_process import LearnerJob, LearnerOutputs
from leash_robot.policies.rl.drivers.learning_actor import (
    ActionSource,
    ExpertActor,
    ExploringActor,
    LearningActor,
)
from leash_robot.policies.rl.drivers.robot import RobotTraining, train
from leash_robot.policies.rl.drivers.transitions import TransitionRecorder
from leash_robot.policies.rl.progress import Pace
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.trainer import Imitation, RunIdentity
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.bodies.pupper.get_up import get_up
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable
from leash_robot.robot.errors import PolicyError, UsageError
from leash_robot.robot.host.extras import require
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Log, Policy
from leash_robot.sim.evaluation.learning_statistics import LearningStatistics
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.brake import Brake, Stoppable
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig
from leash_robot.teleop.operator import Operator
from leash_robot.teleop.scripted_operator import interventions


def nobody() -> OperatorOptions:
    """Nobody watches."""
    return OperatorOptions(operator=())


@dataclass(frozen=True)
class TrainLive:
    """Learn on the robot itself: `leash train sac --robot twin --out runs/live`.

    The 20 Hz loop drives the robot while another process learns; falls are followed by getting up. With --operator, a
    person takes over at any tick by holding the dead-man, and what they do is learned from as a demonstration.
    """

    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    who: Annotated[OperatorOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=nobody)
    config: LivePlanFile = None
    """YAML with the task, the reward and the learner's settings; what it does not name keeps its default."""
    out: Path = Path("runs/live")
    """Folder for the policy, the checkpoint and curves for TensorBoard."""
    start: Annotated[PolicyName | None, tyro.conf.arg(name="from")] = None
    """A policy to begin from, a file, a shipped one by its name, or `trot`: it walks first, is imitated, then
    improved upon."""
    demos: tuple[Path, ...] = ()
    """Recordings to imitate as well: folders of episodes, or episode files."""
    outcomes: tuple[Learnable, ...] = OUTCOMES
    """Outcomes of `--demos` that are imitated."""
    minutes: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """Robot time to learn for, instead of the plan's."""
    velocity: Velocity = "odometry"
    """Where the reward's velocity comes from: `odometry`, by the legs, which is what hardware has and the default; or
    `tracker`, the truth of a simulated robot, as motion capture would give it."""
    lockstep: bool = False
    """Virtual time, for development: a twin in this process, a fixed number of updates a step, the same again from
    the same seed."""
    resume: bool = False
    """Go on from the folder's checkpoint."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Learn until the time is over, the robot is stopped for good, or somebody presses Ctrl-C."""
    config = checked(parsed(TrainLive, "leash train sac", args))
    require("torch", "tensorboard")
    with terminable():
        figures = learn_live(config)
    if config.json:
        emit(figures)
    else:
        console.print(*(f"{key} {short(value)}" for key, value in figures.items()), sep=" · ", highlight=False)
    return 0


FREE = ("minutes", "compiled", "ratio", "sac", "random", "demonstrations", "keep", "judging")
"""Parts of a plan that may change when learning goes on."""


def learn_live(config: TrainLive) -> dict[str, Any]:
    """Train; the figures. Whatever ends it, the robot is made safe first and the checkpoint written after that."""
    plan, spec = planned(config), load_spec(load_plan(config.robot.robot, config.robot.plan).spec)
    checkpoint = config.out / "checkpoint.safetensors"
    resume = load_checkpoint(checkpoint, spec.hash) if config.resume else None
    if resume is not None:
        check_same(checkpoint, resume.info, plan, FREE, with_robot_defaults)
    elif checkpoint.exists():
        raise PolicyError(f"{checkpoint} holds an earlier training; --resume goes on with it, or give another --out")
    check_writable(config.out / "policy.safetensors")
    demos = () if resume is not None else config.demos
    recorded = imitable(demos, spec, plan.features, action_filter_of(plan, spec), config.outcomes)
    factory, began = robot_factory(plan, spec), time.monotonic()
    with contextlib.ExitStack() as stack:
        columns = factory.columns, demonstration_columns(factory)
        online, shown = (stack.enter_context(ReplayBuffer(capacity=plan.capacity, columns=each)) for each in columns)
        if resume is not None:
            # Note: checkpoints of earlier versions kept what was done alone.
            resume.arrays.setdefault("shown.0.wanted", resume.arrays["shown.0.action"])
            resume.refill("online", [online])
            resume.refill("shown", [shown])
        channels = [stack.enter_context(WeightChannel(size=factory.actor().size)) for _ in range(2)]
        job = LearnerJob(
            factory,
            RunIdentity(spec.hash, msgspec.json.encode(plan).decode()),
            (online.place,),
            (shown.place,),
            channels[0].address,
            channels[1].address,
            Pace(plan.ratio, plan.random, 0, resume.info.updates if resume else 0),
            _imitation(config, plan, spec, recorded),
            resume.without_buffers() if resume else None,
            outputs=_outputs(config, plan, spec, checkpoint),
        )
        learner: LearnerClient = InlineLearner(job) if config.lockstep else ProcessLearner(job)
        stack.enter_context(learner)
        console.print("preparing the learner", highlight=False)
        learner.prepare()
        recorder = TransitionRecorder(online, shown)
        recorder.steps = resume.info.steps[0] if resume else 0
        try:
            with _people(config, plan) as people, _opened(config, people.brake) as opened:
                figures = _train(config, plan, (opened, people), recorder, channels, learner, resume)
        finally:
            learner.end()
    wall = (time.monotonic() - began) / 60
    pace = learner.updates / max(1, recorder.steps)
    return {"minutes": wall, "steps": recorder.steps, "updates": learner.updates, "updates_a_step": pace, **figures}


def _imitation(config: TrainLive, plan: WalkTraining, spec: Spec, recorded: Recorded) -> Imitation | None:
    """What is cloned first: nothing without an expert."""
    demos = plan.demonstrations
    rows = round(0.9 * demos.seconds * spec.rate)
    return Imitation(demos.imitate, 1, rows, recorded) if config.start is not None else None


def _outputs(config: TrainLive, plan: WalkTraining, spec: Spec, checkpoint: Path) -> LearnerOutputs:
    known = calibration_mark(known_calibration(config.robot, spec).hash, spec)
    export = PolicyExport(config.out / "policy.safetensors", plan, spec, known)
    return LearnerOutputs(checkpoint, plan.keep, export, partial(Curves, config.out))


def planned(config: TrainLive) -> WalkTraining:
    """The plan with what the command line says."""
    if config.robot.robot == "sim":
        raise UsageError("--robot sim learns in PyBullet; that is `leash train sac` without --robot")
    if config.lockstep and (config.robot.robot != "twin" or (config.who.live and config.who.operator)):
        raise UsageError("--lockstep has no real time: it is for --robot twin, and for --operator scripted alone")
    if config.demos and config.start is None:
        raise UsageError("--demos are imitated beside somebody who walks first; give --from too")
    plan = load_robot_training(config.config)
    given = {"minutes": config.minutes, "seed": config.robot.seed}
    return replace(plan, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class People:
    """Who is at the robot."""

    brake: Brake
    operator: Operator | None = None


@contextlib.contextmanager
def _people(config: TrainLive, plan: WalkTraining) -> Iterator[People]:
    """The operator, if there is one, and whoever sits at the terminal; any of them stops the robot at any moment."""
    brake = Brake()
    with contextlib.ExitStack() as stack:
        if not config.lockstep and "keyboard" not in config.who.operator:
            stack.enter_context(attended(brake))
        if not config.who.operator:
            yield People(brake)
            return
        cockpit = stack.enter_context(open_cockpit(config.who, config.out))
        size = 1, (plan.minutes or 0.0) * 60, plan.seed
        operator = stack.enter_context(make_operator(config.who, *size, cockpit, script=interventions))
        if isinstance(operator, Attention):
            stack.enter_context(operator.attending(brake.pull))
        yield People(brake, operator)


@contextlib.contextmanager
def _opened(config: TrainLive, brake: Brake) -> Iterator[Opened]:
    if config.lockstep:
        from leash_robot.launch.composition.training.virtual_robot import lockstep_robot

        with lockstep_robot(config.robot) as opened:
            yield opened
        return
    with open_robot(config.robot, needs_imu=True, realtime=True, watch=brake.watch) as opened, brake.on(opened.stop):
        yield opened


def _train(
    config: TrainLive,
    plan: WalkTraining,
    at: tuple[Opened, People],
    recorder: TransitionRecorder,
    channels: Sequence[WeightChannel],
    learner: LearnerClient,
    resume: Checkpoint | None,
) -> dict[str, Any]:
    opened, people = at
    spec, rng = opened.spec, np.random.default_rng([plan.seed, 0 if resume is None else resume.info.updates])
    truth = opened.simulator.truth if opened.simulator else None
    task = robot_task(plan, spec, make_estimator(config.velocity, spec, truth))
    before = resume.info.minutes if resume else 0.0
    with contextlib.ExitStack() as stack:
        quiet = 0 if resume or config.start is not None else plan.random
        explorer = ExploringActor(task.action_filter, robot_factory(plan, spec).actor(), channels[0], rng, quiet)
        source: ActionSource = explorer
        if resume is None and config.start is not None:
            source = ExpertActor(task.action_filter, spec.stand, _expert(config, opened, stack), rng)
        actor = LearningActor(task, source, recorder)
        decides, others = _supervised(config, opened, actor, people)
        statistics = LearningStatistics(spec.period, truth)
        training = RobotTraining(
            plan.minutes or 0.0,
            opened,
            actor,
            recorder,
            explorer,
            channels[1],
            learner,
            statistics,
            Stoppable(decides, people.brake.watch),
            get_up,
            lambda: people.brake.cause,
            stack.enter_context(_progress(plan)),
            before,
            others,
        )
        if not config.lockstep:
            stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        figures: dict[str, Any] = {}
        with contextlib.suppress(KeyboardInterrupt):
            figures = train(training, round(plan.judging.robot_seconds * spec.rate))
        opened.robot.rest()
        counted = _counted(training, statistics, opened)
        return {"robot_minutes": training.minutes, "falls": statistics.falls, **figures, **counted}


def _counted(training: RobotTraining, statistics: LearningStatistics, opened: Opened) -> dict[str, Any]:
    late = statistics.lateness.figures() if len(statistics.lateness.late) else {}
    own = {
        "gate_stops": opened.gate_stops(),
        "late_ticks": statistics.late_ticks,
        **statistics.own.figures(),
    }
    if statistics.true is not None:
        own |= {f"true_{name}": value for name, value in statistics.true.figures().items()}
    recorder = training.recorder
    if recorder.left_out:
        counts = f"{recorder.left_out} of {recorder.demonstrated} demonstrated steps"
        console.print(f"{counts} are left out of imitation: {OUTSIDE}; widen `box`", highlight=False, soft_wrap=True)
    shown = {"demonstrated": recorder.demonstrated, "left_out": recorder.left_out}
    return {**own, "interventions": training.actor.interventions, **shown, **late}


def _expert(config: TrainLive, opened: Opened, stack: contextlib.ExitStack) -> Policy:
    """Who shows how: through a policy server of its own, as always when motors are near; in lock-step right here."""
    name = "trot" if config.start is None else config.start
    if name != "trot":
        check_fits(read_manifest(Path(name)), opened.spec)
        check_calibration(read_manifest(Path(name)), name, config.robot)
    if config.lockstep and name != "trot":
        from leash_robot.policies.registry import load_policy

        manifest, make = load_policy(Path(name))
        return Fresh(make(), manifest.bounds)
    return stack.enter_context(open_policy(name, opened.spec, opened.plan)).policy


def _supervised(
    config: TrainLive, opened: Opened, actor: LearningActor, people: People
) -> tuple[Policy, tuple[Log, ...]]:
    """The learning actor, and the person who may take over, if there is one."""
    if people.operator is None:
        return actor, ()
    drive = Drive(people.operator, Trot(opened.spec), clock=config.who.clock, lost=config.who.lost)
    takeover = Takeover(actor, drive, opened.spec, TakeoverConfig(release=True))
    return takeover, (takeover,)


@contextlib.contextmanager
def _progress(plan: WalkTraining) -> Iterator[Callable[[float, str], None]]:
    """A bar that is drawn when told, by nobody else: a thread of its own would stand in the loop's way."""
    columns = BarColumn(20), TextColumn("{task.completed:.1f} of {task.total:g} min"), TextColumn("{task.fields[told]}")
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("learning", total=plan.minutes, told="standing up")

        def report(minutes: float, told: str) -> None:
            bar.update(task, completed=min(minutes, plan.minutes or 0.0), told=told, refresh=True)

        yield report
