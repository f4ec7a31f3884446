"""Runs a policy for several episodes on a simulated robot and scores each from the truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import RobotError
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.types import Log, Policy, Tick
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.ground_truth import SimulatorHandle


@dataclass(frozen=True)
class Trial:
    """What an evaluation repeats."""

    episodes: int
    seconds: float
    settle: float
    """Seconds at the start of each episode that the means leave out."""


def evaluate(
    opened: Opened, policy: Policy, trial: Trial, check: Callable[[], None] = lambda: None
) -> Iterator[dict[str, float]]:
    """Yield the score of one episode after another; the robot is stood up again whenever it fell.

    `check` raises once a person stopped the robot, who then shall not be overruled.
    """
    if opened.simulator is None:
        raise RobotError("a real robot has no ground truth to score; use --robot sim or --robot twin")
    for _ in range(trial.episodes):
        score = episode(opened, opened.simulator, policy, trial)
        check()
        yield score


def episode(opened: Opened, simulator: SimulatorHandle, policy: Policy, trial: Trial) -> dict[str, float]:
    """The score of one episode; see `scored_episode`."""
    score, _ = scored_episode(opened, simulator, policy, trial)
    return score


def scored_episode(
    opened: Opened, simulator: SimulatorHandle, policy: Policy, trial: Trial, *beside: Log
) -> tuple[dict[str, float], EpisodeScorer]:
    """One episode from the stand pose, logged `beside` too; ends at a fall or a soft stop, or when its time is up."""
    if simulator.truth().fallen:
        simulator.place()
    # Note: the referee has seen to the robot, as a person would after the gate stopped it
    opened.rearm()
    opened.robot.reset()
    scorer = EpisodeScorer(simulator.truth, opened.spec)
    ticks = round(trial.seconds * opened.spec.rate)
    log = Logs(scorer, *beside)
    ran = run(opened.robot, policy, log, ticks=ticks, done=lambda tick: over(scorer, tick))
    if why := opened.stopped():
        console.print(f"stopped after {ran} ticks: {why}", highlight=False)
    score = scorer.score(trial.settle)
    score["seconds"] = ran / opened.spec.rate
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
