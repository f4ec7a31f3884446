"""Scores of an episode from the truth."""

import numpy as np
import pytest

from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick, unknown
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.ground_truth import GroundTruth

SPEC = load_spec()
FORWARD = np.array([0.25, 0.0, 0.0])


def truth(speed: float, *, height: float = 0.16) -> GroundTruth:
    down = np.array([0.0, 0.0, -1.0])
    return GroundTruth(0.0, np.array([0, 0, height]), np.array([speed, 0, 0]), np.zeros(3), down, np.ones(4))


def tick(target: np.ndarray[tuple[int, ...], np.dtype[np.float64]], late: float = 0.0) -> Tick:
    n = len(SPEC.joints)
    obs = Observation(0.0, late, np.zeros(n), np.zeros(n), unknown(n), unknown(3), unknown(3), unknown(3))
    action = Action(target, FORWARD)
    return Tick(obs, action, action)


def watched(truths: list[GroundTruth], lates: list[float] | None = None) -> EpisodeScorer:
    stream = iter(truths)
    scorer = EpisodeScorer(lambda: next(stream), SPEC)
    for number, late in enumerate(lates or [0.0] * len(truths)):
        scorer.add(tick(SPEC.stand + (number % 2) * np.tile([0.2, 0.4, 0.4], 4), late))
    return scorer


def test_a_steady_walk_scores_its_speed_and_its_error() -> None:
    score = watched([truth(0.20)] * 100).score(settle=1.0)
    assert score["no_fall"] == 1.0
    assert score["speed"] == pytest.approx(0.20)
    assert score["speed_rmse"] == pytest.approx(0.05)


def test_a_gaits_own_sway_is_no_error() -> None:
    swaying = [truth(0.25 + 0.1 * (-1) ** k) for k in range(100)]
    assert watched(swaying).score(settle=0.0)["speed_rmse"] < 0.001


def test_action_rate_is_a_share_of_the_box() -> None:
    assert watched([truth(0.25)] * 50).score(settle=0.0)["action_rate"] == pytest.approx(1.0)


def test_one_moment_on_the_ground_is_a_fall() -> None:
    assert watched([truth(0.2)] * 20 + [truth(0.2, height=0.03)]).score(settle=0.0)["no_fall"] == 0.0


def test_lateness_says_how_many_slots_were_missed() -> None:
    score = watched([truth(0.2)] * 3, [0.0, 0.101, 0.001]).score(settle=0.0)
    assert score["missed"] == 2
