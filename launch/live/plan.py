"""What learning on a robot is: the task, the reward, the learner, how long; one YAML file. Known without torch."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.policies.rl.sac.config import SacConfig
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.feature_encoding import FeatureConfig
from leash_robot.robot.velocity_reward import MeasuredWeights

Range = tuple[float, float]
Angle = Annotated[float, Meta(gt=0, le=2)]


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which body velocities are asked for, each drawn uniformly and held for a while."""

    vx: Range = (0.4, 0.4)
    """[m/s]"""
    vy: Range = (0.0, 0.0)
    """[m/s]"""
    yaw: Range = (0.0, 0.0)
    """[rad/s]"""
    hold: Annotated[float, Meta(gt=0.5, le=600)] = 10.0
    """How long a command lasts; then a trajectory ends as by a time limit, and the robot walks on [s]."""


class LivePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Learning on a robot."""

    minutes: Annotated[float, Meta(gt=0, le=100_000)] = 15.0
    """Of robot time, falls and stand-ups included."""
    seed: Annotated[int, Meta(ge=0)] = 0
    features: FeatureConfig = FeatureConfig(actions=True)
    task: Task = Task()
    worth: MeasuredWeights = MeasuredWeights()
    box: tuple[Angle, Angle, Angle] = (0.2, 0.4, 0.4)
    """Half-range of the targets of abduction, hip and knee around the stand pose [rad]."""
    filter_hz: Annotated[float, Meta(ge=0, le=1000)] = 4.0
    """Cut-off of the first-order filter on the targets [Hz]; 0 is none."""
    sac: SacConfig = SacConfig(critic_hidden=(128, 128), actor_hidden=(64, 64), batch=128, temperature=0.05)
    capacity: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    """Steps that are remembered, and as many demonstrated ones."""
    random: Annotated[int, Meta(ge=0)] = 400
    """Steps of random actions at the beginning."""
    ratio: Annotated[float, Meta(gt=0, le=100)] = 4.0
    """Most updates a step; in lock-step exactly so many."""
    compiled: bool = True
    shown: Annotated[float, Meta(ge=0)] = 60.0
    """How long a policy given by --from demonstrates [s of robot time]."""
    imitate: Annotated[int, Meta(ge=0)] = 1500
    """Steps of plain imitation of demonstrations, where there are any."""
    keep: Annotated[float, Meta(gt=0)] = 60.0
    """Seconds between two checkpoints."""
    judge: Annotated[float, Meta(ge=0)] = 30.0
    """How long the averaged actor walks without exploration at the end, to be scored [s]."""


def load_live_plan(path: Path | None) -> LivePlan:
    """Read a plan; None is the default one. Raises SpecError."""
    return LivePlan() if path is None else read_yaml(path, LivePlan)
