"""What one training is: how long, what is remembered, how it learns, how its policies are evaluated.

Whoever composes a training adds the task: `WalkTraining` in launch adds a walk, in simulation or on the robot.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.policies.manifest import Slew
from leash_robot.policies.rl.sac.config import SacConfig, Share
from leash_robot.policies.scripted.gait import TrotConfig
from leash_robot.robot.encoding.feature_encoding import FeatureConfig

Seed = Annotated[int, Meta(ge=0)]

SELECTION = 2**31
"""Where the seeds of evaluations begin; trainings draw theirs from below."""


class Demonstrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an expert policy demonstrates first, in the same world and action scale."""

    steps: Annotated[int, Meta(ge=0)] = 0
    """In all; 0 learns from scratch."""
    teacher: str = "trot"
    """`trot`, a policy file, or a shipped policy by its name."""
    trot: TrotConfig = TrotConfig()
    """How that trot walks."""
    imitate: Annotated[int, Meta(ge=0)] = 2000
    """Steps of behaviour cloning."""
    rounds: Annotated[int, Meta(ge=1, le=100)] = 1
    """In how many parts. After the first the learned policy drives every second episode, and the expert labels it
    (DAgger)."""
    seconds: Annotated[float, Meta(ge=0)] = 60.0
    """On a robot: how long the expert demonstrates [s of robot time]."""
    share: Share = Share()
    """How much of a batch is demonstrated."""


class EvaluationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How snapshots are compared, on seeds that training never draws."""

    updates: Annotated[int, Meta(ge=1)] = 2000
    """Updates between two evaluations."""
    episodes: Annotated[int, Meta(ge=1, le=10_000)] = 24
    target: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """The criterion: share of the episodes that must be a success, in two evaluations in a row."""
    seed: Seed = SELECTION
    """Where its seeds begin."""
    final: Annotated[int, Meta(ge=0, le=10_000)] = 50
    """Episodes, on fresh seeds, that the chosen policy is scored on at the end."""


class TrainingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training."""

    updates: Annotated[int, Meta(ge=1)] = 40_000
    """The budget: updates, however long they take on this machine."""
    minutes: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    """Upper bound on the wall clock of learning; compiling, demonstrations and their imitation do not count. On a
    robot: how long it learns, falls and stand-ups included."""
    stop: bool = True
    """Whether to stop before the budget is used up, once the criterion (`judging.target`) is met."""
    seed: Seed = 0
    features: FeatureConfig = FeatureConfig(actions=True)
    """What the actor sees of a robot's observations."""
    sac: SacConfig = SacConfig()
    slew: tuple[Slew, Slew, Slew] | None = None
    """Largest change of the command that the saved policy follows: vx, vy [m/s2], yaw rate [rad/s2]."""
    capacity: Annotated[int, Meta(ge=1000, le=10_000_000)] = 500_000
    """Steps that are remembered, all collectors together."""
    random: Annotated[int, Meta(ge=0)] = 2000
    """Steps of random actions at the beginning."""
    ratio: Annotated[float, Meta(gt=0, le=100)] = 0.2
    """Updates a step. The learner waits for steps and the collectors wait for updates, on machines of any speed; a
    robot does not wait, so there it is the most."""
    compiled: bool = True
    """Whether the learner is compiled, where a compiler is there; that takes about a minute at the start."""
    keep: Annotated[float, Meta(gt=0)] = 60.0
    """Seconds between two checkpoints, at least."""
    demonstrations: Demonstrations = Demonstrations()
    judging: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        if self.random > self.capacity // 2:
            raise ValueError(f"random: {self.random} steps leave no room for others in a capacity of {self.capacity}")
