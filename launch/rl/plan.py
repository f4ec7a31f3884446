"""What one training is: the task, the learner, how long, and how its policies are judged; one YAML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.launch.options.seeds import SELECTION
from leash_robot.launch.options.shipped import policy_file_named
from leash_robot.launch.options.tables import table
from leash_robot.policies.manifest import Slew
from leash_robot.policies.rl.sac.config import SacConfig, Share
from leash_robot.policies.scripted.gait import TrotConfig
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.feature_encoding import FeatureConfig
from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.walk import WalkConfig

Seed = Annotated[int, Meta(ge=0)]


class Judging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How snapshots are compared: episodes on machines and commands that training never draws."""

    updates: Annotated[int, Meta(ge=1)] = 2000
    """Updates between two judgements."""
    episodes: Annotated[int, Meta(ge=1, le=10_000)] = 24
    seconds: Annotated[float, Meta(gt=1, le=1000)] = 8.0
    """Length of such an episode."""
    commands: Commands = Commands()
    """What is asked for in them; each command lasts a whole episode."""
    target: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """The criterion: share of the episodes that must be a success, in two judgements in a row."""
    seed: Seed = SELECTION.start
    """Where the seeds of its draws begin."""
    final: Annotated[int, Meta(ge=0, le=10_000)] = 50
    """Episodes, on fresh draws, that the chosen policy is scored on at the end."""


class Demonstrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a policy that walks already shows first, in the same world and action box."""

    steps: Annotated[int, Meta(ge=0)] = 0
    """In all; 0 learns from scratch."""
    teacher: str = "trot"
    """`trot`, a policy file, or a shipped policy by its name."""
    trot: TrotConfig = TrotConfig()
    """How that trot walks."""
    imitate: Annotated[int, Meta(ge=0)] = 2000
    """Steps of plain imitation."""
    rounds: Annotated[int, Meta(ge=1, le=100)] = 1
    """In how many parts. After the first the pupil drives every second episode, and the demonstrator says what it would
    do there."""
    share: Share = Share()
    """How much of a batch is demonstrated."""


class SacPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training."""

    updates: Annotated[int, Meta(ge=1)] = 40_000
    """The budget: updates, however long they take on this machine."""
    minutes: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """Upper bound on the wall clock of learning; compiling, demonstrations and their imitation do not count."""
    stop: bool = True
    """Whether to stop before the budget is used up, once the criterion (`judging.target`) is met."""
    seed: Seed = 0
    features: FeatureConfig = FeatureConfig(actions=True)
    """What the actor sees."""
    walk: WalkConfig = WalkConfig()
    """The task."""
    residual: Literal["", "trot"] = ""
    """What the action box lies around: the stand pose, or what the scripted trot wants at each tick."""
    sac: SacConfig = SacConfig()
    slew: tuple[Slew, Slew, Slew] | None = None
    """Largest change of the command that the saved policy follows: vx, vy [m/s2], yaw rate [rad/s2]."""
    capacity: Annotated[int, Meta(ge=1000, le=10_000_000)] = 500_000
    """Steps that are remembered, all collectors together."""
    random: Annotated[int, Meta(ge=0)] = 2000
    """Steps of random actions at the beginning."""
    reflected: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Part of the time in which a collector tries what it does as if front and back were exchanged."""
    ramp: Annotated[int, Meta(ge=0)] = 0
    """Steps over which the penalties for style grow to their size; 0 has them whole from the start."""
    ratio: Annotated[float, Meta(gt=0, le=100)] = 0.2
    """Updates a step. The learner waits for steps and the collectors wait for updates, on machines of any speed."""
    compiled: bool = True
    """Whether the learner is compiled, where a compiler is there; that takes about a minute at the start."""
    demonstrations: Demonstrations = Demonstrations()
    judging: Judging = Judging()

    def __post_init__(self) -> None:
        if self.random > self.capacity // 2:
            raise ValueError(f"random: {self.random} steps leave no room for others in a capacity of {self.capacity}")
        if self.residual and self.reflected:
            raise ValueError(f"reflected: {self.reflected} goes with whole targets, not with residual: {self.residual}")


def judged(plan: SacPlan, seconds: float) -> WalkConfig:
    """The task as it is judged: one command an episode, of the kind that judging asks for."""
    return replace(plan.walk, seconds=seconds, commands=replace(plan.judging.commands, hold=seconds + 1))


def load_plan(path: Path | None) -> SacPlan:
    """Read a training; None is the default one. Raises SpecError.

    `walk.ranges` may be a table, the name of one in this folder, or a file: a path.
    """
    if path is None:
        return SacPlan()
    return read_yaml(path, SacPlan, lambda given: _with_teacher(_with_table(given)))


def _with_teacher(given: dict[str, Any]) -> dict[str, Any]:
    """The same with the file of the policy that it names as its teacher."""
    demonstrations = given.get("demonstrations")
    if not isinstance(demonstrations, dict) or not isinstance(named := demonstrations.get("teacher"), str):
        return given
    return {**given, "demonstrations": {**demonstrations, "teacher": str(policy_file_named(named, "trot"))}}


def _with_table(given: dict[str, Any]) -> dict[str, Any]:
    """The same with the table of ranges that it names written out."""
    walk = given.get("walk")
    if not isinstance(walk, dict) or not isinstance(named := walk.get("ranges"), str):
        return given
    return {**given, "walk": {**walk, "ranges": msgspec.to_builtins(table(named))}}
