"""The clamp: finite, then range, then step, for anything that anybody may ask."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import WireError
from leash_robot.robot.limits import admitted, clamp
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Source

SPEC = load_spec()
targets = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=12, max_size=12).map(np.array)
shares = st.lists(st.floats(0, 1), min_size=12, max_size=12).map(np.array)


@given(targets, shares)
def test_every_target_ends_within_range_and_within_a_step(target: np.ndarray, share: np.ndarray) -> None:
    last = SPEC.lower + share * (SPEC.upper - SPEC.lower)
    out = clamp(target, last, SPEC)
    assert ((out >= SPEC.lower) & (out <= SPEC.upper)).all()
    assert (np.abs(out - last) <= SPEC.step + 1e-12).all()


@given(shares)
def test_a_target_that_is_allowed_is_not_touched(share: np.ndarray) -> None:
    near = np.clip(SPEC.stand + (share - 0.5) * SPEC.step, SPEC.lower, SPEC.upper)
    assert np.array_equal(clamp(near, SPEC.stand, SPEC), near)


def test_the_range_comes_before_the_step() -> None:
    last = SPEC.upper - 0.1
    assert np.array_equal(clamp(np.full(12, 1e9), last, SPEC), SPEC.upper)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_by_the_name_of_its_joint(bad: float) -> None:
    target = SPEC.stand.copy()
    target[4] = bad
    with pytest.raises(WireError, match="front_left_hip is not finite"):
        clamp(target, SPEC.stand, SPEC)


@pytest.mark.parametrize("shape", [(11,), (13,), (12, 1), (1, 12), ()])
def test_what_has_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WireError, match="for 12 joints"):
        clamp(np.zeros(shape), SPEC.stand, SPEC)


@pytest.mark.parametrize("source", ["policy", "human"])
def test_a_target_goes_out_clamped_and_keeps_who_asked(source: Source) -> None:
    asked = Action(SPEC.stand + 9.0, np.ones(3), source, 0.5)
    sent = admitted(asked, SPEC.stand, SPEC)
    assert np.array_equal(sent.joint_pos, clamp(asked.joint_pos, SPEC.stand, SPEC))
    assert (sent.source, sent.risk, sent.command.tolist()) == (source, 0.5, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("target", "source", "comes_back"),
    [
        (np.full(12, np.nan), "policy", "hold"),
        (np.zeros(3), "human", "hold"),
        (np.full(12, np.nan), "hold", "hold"),
        (SPEC.rest, "safety", "safety"),
    ],
)
def test_what_is_no_target_keeps_the_last_one(target: np.ndarray, source: Source, comes_back: Source) -> None:
    last = SPEC.stand.copy()
    sent = admitted(Action(target, source=source), last, SPEC)
    assert sent.source == comes_back
    assert np.array_equal(sent.joint_pos, last)
    assert sent.joint_pos is not last
