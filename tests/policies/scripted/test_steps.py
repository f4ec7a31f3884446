"""Foot paths: what the ground sees of them, and how smooth they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.policies.scripted.steps import Steps, slide, stance, step
from leash_robot.robot.types import Array

NEUTRAL = np.array([[0.1, -0.08, -0.15], [0.1, 0.08, -0.15], [-0.1, -0.08, -0.15], [-0.1, 0.08, -0.15]])
twists = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.2, 0.2), st.floats(-1.5, 1.5)).map(np.array)
shapes = st.builds(
    Steps,
    period=st.floats(0.3, 0.7),
    duty=st.floats(0.4, 0.7),
    clearance=st.floats(0.01, 0.06),
    swing=st.sampled_from(["cubic", "quintic"]),
)
phases = st.floats(0.0, 1.0, exclude_max=True)


def in_the_world(feet: Array, twist: Array, since: float) -> Array:
    """Body-frame feet (4, 3) seen from where the body was at time 0, by many small moves."""
    pose, count = np.zeros(3), 4000
    for _ in range(count):
        half = pose[2] + twist[2] * since / count / 2
        cos, sin = np.cos(half), np.sin(half)
        moved = np.array([cos * twist[0] - sin * twist[1], sin * twist[0] + cos * twist[1], twist[2]])
        pose = pose + moved * since / count
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    flat = feet[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
    return np.column_stack([flat, feet[:, 2]])


@pytest.mark.parametrize("since", [-0.15, 0.0, 0.2])
def test_feet_in_stance_do_not_move_in_the_world(since: float) -> None:
    twist = np.array([0.3, -0.1, 1.2])
    feet, _ = stance(NEUTRAL, twist, np.full(4, since))
    assert np.allclose(in_the_world(feet, twist, since), NEUTRAL, atol=1e-8)


@settings(deadline=None)
@given(twists, st.floats(-0.3, 0.3))
def test_feet_in_stance_keep_their_distances(twist: Array, since: float) -> None:
    feet, _ = stance(NEUTRAL, twist, np.full(4, since))
    assert np.allclose(np.linalg.norm(feet[0] - feet[3]), np.linalg.norm(NEUTRAL[0] - NEUTRAL[3]))


def test_straight_ahead_the_stance_sweeps_back_at_the_speed_asked() -> None:
    feet, velocity = step(NEUTRAL, np.array([0.25, 0.0, 0.0]), np.full(4, 0.3), Steps())
    assert np.allclose(velocity, [-0.25, 0.0, 0.0])
    assert np.allclose(velocity, slide(feet, np.array([0.25, 0.0, 0.0])))


def test_a_foot_passes_its_neutral_place_half_way_through_the_stance() -> None:
    shape = Steps(duty=0.6)
    feet, _ = step(NEUTRAL, np.array([0.25, 0.1, 0.6]), np.full(4, 0.3), shape)
    assert np.allclose(feet, NEUTRAL)


@settings(deadline=None)
@given(twists, shapes, phases)
def test_velocities_are_the_slopes_of_the_paths(twist: Array, shape: Steps, phase: float) -> None:
    small = 1e-6
    both = [step(NEUTRAL, twist, np.full(4, (phase + side * small) % 1.0), shape)[0] for side in (-1, 1)]
    _, velocity = step(NEUTRAL, twist, np.full(4, phase), shape)
    # Note: a cubic swing changes its acceleration at once at the joins; hence a tolerance that grows with the step.
    assert np.allclose((both[1] - both[0]) / (2 * small * shape.period), velocity, atol=1e-3)


@settings(deadline=None)
@given(twists, shapes)
def test_a_swing_clears_the_ground_and_rises_as_high_as_asked(twist: Array, shape: Steps) -> None:
    parts = shape.duty + (1 - shape.duty) * np.linspace(0.0, 1.0, 101)[:-1]
    heights = np.array([step(NEUTRAL, twist, np.full(4, phase), shape)[0][:, 2] for phase in parts]) + 0.15
    assert heights.min() >= -1e-12
    assert heights.max() == pytest.approx(shape.clearance)


def test_lift_scales_the_clearance() -> None:
    shape = Steps()
    top = np.full(4, (1 + shape.duty) / 2)
    feet, _ = step(NEUTRAL, np.zeros(3), top, shape, lift=0.5)
    assert np.allclose(feet[:, 2], -0.15 + shape.clearance / 2)


def test_contact_and_flight_make_up_the_period() -> None:
    shape = Steps(period=0.5, duty=0.6)
    assert shape.contact == pytest.approx(0.3)
    assert shape.flight == pytest.approx(0.2)
