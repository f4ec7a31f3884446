"""Learning to walk on a robot: what is learned there, and the policy that comes out of it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leash_robot.launch.composition.training.schema import WalkTraining
from leash_robot.launch.composition.training.walk_policy import action_filter_of, sac_factory, save_walk_policy
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.drivers.learning_actor import PRIVILEGED, RobotTask, StateEstimator
from leash_robot.policies.rl.sac.factory import SacFactory
from leash_robot.policies.rl.trainer import TrainingProgress
from leash_robot.policies.symmetry import Mirror
from leash_robot.robot.locomotion.velocity_reward import measured_terms
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array


def robot_factory(plan: WalkTraining, spec: Spec) -> SacFactory:
    """SAC on what a robot measures."""
    return sac_factory(plan, spec, Mirror(np.arange(PRIVILEGED), np.array([1.0, -1.0, 1.0])))


def robot_task(plan: WalkTraining, spec: Spec, estimator: StateEstimator) -> RobotTask:
    """What is learned on the robot."""
    commands = plan.walk.commands

    def draw_command(rng: np.random.Generator) -> Array:
        return np.array([rng.uniform(*bounds) for bounds in (commands.vx, commands.vy, commands.yaw)])

    reward = partial(measured_terms, weights=plan.worth)
    action_filter = action_filter_of(plan, spec)
    return RobotTask(spec, plan.features, action_filter, draw_command, commands.hold, reward, estimator, plan.seed)


@dataclass(frozen=True)
class PolicyExport:
    """Fits `Export`: writes the policy file beside the checkpoint."""

    path: Path
    plan: WalkTraining
    spec: Spec
    calibration: str
    """Hash of the calibration of the robot that learns, or empty."""

    def __call__(self, weights: Weights, progress: TrainingProgress) -> None:
        """Raises PolicyError where there is no room."""
        notes = {"robot_minutes": progress.minutes, "steps": progress.steps}
        save_walk_policy(self.path, weights, self.plan, self.spec, notes, calibration=self.calibration)
