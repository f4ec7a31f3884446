"""Runs a policy for several episodes on a simulated robot and scores each from the ground truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from leash_robot.robot.errors import RobotError
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.types import Log, Policy, Robot, Tick
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.ground_truth import SimulatorHandle


@dataclass(frozen=True)
class EpisodeLength:
    """How long an episode lasts, and what of it counts."""

    seconds: float
    settle: float
    """Seconds at the start that the means leave out."""


class EvaluatedRobot(Protocol):
    """An opened robot whose episodes can be scored."""

    @property
    def robot(self) -> Robot:
        """The robot itself."""
        ...

    @property
    def simulator(self) -> SimulatorHandle | None:
        """The ground truth; None for a machine, which cannot be scored."""
        ...

    @property
    def stopped(self) -> Callable[[], str]:
        """Why the gate holds the robot stopped; empty while it does not."""
        ...

    @property
    def rearm(self) -> Callable[[], None]:
        """Consent to go on after a stop."""
        ...


def evaluate(
    opened: EvaluatedRobot,
    policy: Policy,
    length: EpisodeLength,
    episodes: int,
    *,
    check: Callable[[], None] = lambda: None,
    report: Callable[[str], object] = lambda line: None,
) -> Iterator[dict[str, float]]:
    """Yield the score of one episode after another; the robot is stood up again whenever it fell.

    `check` raises once a person stopped the robot, which then must not be started again. Raises RobotError for a robot
    without a simulator.
    """
    simulator_of(opened)
    for _ in range(episodes):
        score, _ = run_episode(opened, policy, length, report=report)
        check()
        yield score


def simulator_of(opened: EvaluatedRobot) -> SimulatorHandle:
    """The robot's ground truth. Raises RobotError for a machine."""
    if opened.simulator is None:
        raise RobotError("a real robot has no ground truth to score; use --robot sim or --robot twin")
    return opened.simulator


def run_episode(
    opened: EvaluatedRobot,
    policy: Policy,
    length: EpisodeLength,
    *logs: Log,
    report: Callable[[str], object] = lambda line: None,
) -> tuple[dict[str, float], EpisodeScorer]:
    """One episode from the stand pose, and its score; ends at a fall or a soft stop, or when its time is up.

    Every tick also goes to `logs`; `report` receives why the gate stopped the robot. Raises RobotError.
    """
    simulator, spec = simulator_of(opened), opened.robot.spec
    if simulator.truth().fallen:
        simulator.place()
    # Note: the simulator set the robot upright, as a person would after the gate stopped it
    opened.rearm()
    opened.robot.reset()
    scorer = EpisodeScorer(simulator.truth, spec)
    ticks = round(length.seconds * spec.rate)
    ran = run(opened.robot, policy, Logs(scorer, *logs), ticks=ticks, done=lambda tick: over(scorer, tick))
    if why := opened.stopped():
        report(f"stopped after {ran} ticks: {why}")
    score = scorer.score(length.settle)
    score["seconds"] = ran / spec.rate
    score["no_fall"] *= float(ran == ticks and scorer.sources[-1] != "safety")
    return score, scorer


def over(scorer: EpisodeScorer, tick: Tick) -> bool:
    """Whether there is nothing left to measure: the robot fell or was stopped."""
    return scorer.truths[-1].fallen or tick.sent.source == "safety"


def summary(scores: list[dict[str, float]], gate_stops: int) -> dict[str, float | int]:
    """The figures of a whole evaluation."""

    def mean(key: str) -> float:
        return float(np.mean([score[key] for score in scores]))

    return {
        "episodes": len(scores),
        "no_fall": int(sum(score["no_fall"] for score in scores)),
        "speed_mean": mean("speed"),
        "side_speed_mean": mean("side_speed"),
        "yaw_rate_mean": mean("yaw_rate"),
        "speed_rmse": mean("speed_rmse"),
        "yaw_rmse": mean("yaw_rmse"),
        "action_rate": mean("action_rate"),
        "missed": int(sum(score["missed"] for score in scores)),
        "late_p99_ms": max(score["late_p99_ms"] for score in scores),
        "gate_stops": gate_stops,
    }
