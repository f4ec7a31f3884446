"""What the reward knows of the body's motion: measured by the robot itself, or by an external tracker."""

from collections.abc import Callable
from typing import Literal

from leash_robot.policies.rl.drivers.learning_actor import StateEstimator
from leash_robot.robot.errors import UsageError
from leash_robot.robot.locomotion.odometry import MotionEstimate, Odometry
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Observation
from leash_robot.sim.ground_truth import GroundTruth

Velocity = Literal["tracker", "odometry"]


class Tracker:
    """Fits `StateEstimator`: the truth, as motion capture would give it."""

    def __init__(self, truth: Callable[[], GroundTruth]) -> None:
        self._truth = truth

    def reset(self) -> None:
        """Nothing to forget."""

    def step(self, obs: Observation, target: Array | None = None) -> MotionEstimate:
        """The truth now."""
        truth = self._truth()
        return MotionEstimate(truth.velocity, truth.height)


def make_estimator(kind: Velocity, spec: Spec, truth: Callable[[], GroundTruth] | None) -> StateEstimator:
    """The estimator of this kind. Raises UsageError."""
    if truth is not None and kind == "tracker":
        return Tracker(truth)
    if kind == "tracker":
        raise UsageError("--velocity tracker needs a simulated robot; leave it out, the legs then tell the velocity")
    if spec.legs is None:
        raise UsageError(f"{spec.name} has no legs to tell its velocity by")
    return Odometry(spec.legs, spec.gains)
