"""The one schema of trainings that walk, in simulation and on a robot: one YAML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.launch.options.shipped import policy_file_named
from leash_robot.launch.options.tables import table
from leash_robot.policies.rl.config import Demonstrations, EvaluationConfig, TrainingConfig
from leash_robot.policies.rl.sac.config import SacConfig, with_current_keys
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.locomotion.velocity_reward import MeasuredWeights
from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.walk_config import WalkConfig

Given = dict[str, Any]


class WalkEvaluation(EvaluationConfig, frozen=True, forbid_unknown_fields=True):
    """How snapshots are compared, on machines and commands that training never draws."""

    seconds: Annotated[float, Meta(gt=1, le=1000)] = 8.0
    """Length of an episode."""
    commands: Commands = Commands()
    """Its commands; each lasts a whole episode."""
    robot_seconds: Annotated[float, Meta(ge=0)] = 30.0
    """On a robot: how long the averaged actor walks without exploration at the end, to be scored [s]."""


class WalkTraining(TrainingConfig, frozen=True, forbid_unknown_fields=True):
    """A training that walks."""

    walk: WalkConfig = WalkConfig()
    """The task. A robot heeds its commands, its action scale and its filter."""
    worth: MeasuredWeights = MeasuredWeights()
    """On a robot: what the terms of its reward are worth; all of it can be measured there."""
    residual: Literal["", "trot"] = ""
    """What the action scale lies around: the stand pose, or what the scripted trot wants at each tick."""
    reflected: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Part of the time in which a collector tries what it does as if front and back were exchanged."""
    ramp: Annotated[int, Meta(ge=0)] = 0
    """Steps over which the penalties for style grow to their size; 0 has them whole from the start."""
    judging: WalkEvaluation = WalkEvaluation()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.residual and self.reflected:
            raise ValueError(f"reflected: {self.reflected} goes with whole targets, not with residual: {self.residual}")


ON_ROBOT = WalkTraining(
    minutes=15.0,
    walk=WalkConfig(commands=Commands(vx=(0.4, 0.4), vy=(0.0, 0.0), yaw=(0.0, 0.0), stand=0.0, hold=10.0)),
    sac=SacConfig(critic_hidden=(128, 128), actor_hidden=(64, 64), batch=128, alpha=0.05),
    capacity=100_000,
    random=400,
    ratio=4.0,
    demonstrations=Demonstrations(imitate=1500),
)
"""What a training on a robot is, where its file says nothing."""


def evaluation_walk(config: WalkTraining, seconds: float) -> WalkConfig:
    """The task as it is evaluated: one command an episode, of the kind that `judging` names."""
    return replace(config.walk, seconds=seconds, commands=replace(config.judging.commands, hold=seconds + 1))


def load_training(path: Path | None) -> WalkTraining:
    """Read a training in simulation; None is the default one. Raises SpecError.

    `walk.ranges` may be a table, the name of one in this folder, or a file: a path.
    """
    if path is None:
        return WalkTraining()
    return read_yaml(path, WalkTraining, lambda given: with_current_keys(_with_teacher(_with_table(given))))


def load_robot_training(path: Path | None) -> WalkTraining:
    """Read a training on a robot; None is the default one. Raises SpecError."""
    if path is None:
        return ON_ROBOT
    return read_yaml(path, WalkTraining, lambda given: with_robot_defaults(_with_teacher(_with_table(given))))


MOVED = {
    "task": ("walk", "commands"),
    "box": ("walk", "box"),
    "filter_hz": ("walk", "filter_hz"),
    "shown": ("demonstrations", "seconds"),
    "imitate": ("demonstrations", "imitate"),
    "judge": ("judging", "robot_seconds"),
}
"""Where keys that version 0.1 had for trainings on a robot have gone."""


def with_robot_defaults(given: Given) -> Given:
    """What a file or a checkpoint says of a training on a robot, by today's keys, on top of the defaults there."""
    now: Given = {key: value for key, value in with_current_keys(given).items() if key not in MOVED}
    for old, (section, key) in MOVED.items():
        if old in given:
            now[section] = {key: given[old], **_section(now.get(section, {}))}
    return _over(msgspec.to_builtins(ON_ROBOT), now, ("walk", "commands", "demonstrations", "judging"))


def _section(value: object) -> Given:
    return dict(value) if isinstance(value, dict) else {}


def _over(defaults: Given, given: Given, sections: tuple[str, ...]) -> Given:
    """The defaults with what is given; these sections key by key, all others as a whole."""
    made = {**defaults, **given}
    for name in sections:
        if isinstance(defaults.get(name), dict) and isinstance(given.get(name), dict):
            made[name] = _over(defaults[name], given[name], sections)
    return made


def _with_teacher(given: Given) -> Given:
    """The same with the file of the policy that it names as its teacher."""
    demonstrations = given.get("demonstrations")
    if not isinstance(demonstrations, dict) or not isinstance(named := demonstrations.get("teacher"), str):
        return given
    return {**given, "demonstrations": {**demonstrations, "teacher": str(policy_file_named(named, "trot"))}}


def _with_table(given: Given) -> Given:
    """The same with the table of ranges that it names written out."""
    walk = given.get("walk")
    if not isinstance(walk, dict) or not isinstance(named := walk.get("ranges"), str):
        return given
    return {**given, "walk": {**walk, "ranges": msgspec.to_builtins(table(named))}}
