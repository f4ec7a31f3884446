"""What is called outside lies outside of all that was trained on, and seeds of different purposes never meet."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.launch.composition.training.schema import WalkTraining, load_training
from leash_robot.launch.options import seeds
from leash_robot.launch.options.tables import table
from leash_robot.policies.imitation.score import HELD_OUT_TRACKS, training_seeds
from leash_robot.robot.errors import SpecError
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import AMOUNTS, FIXED, SCALARS, Ranges, draw, load_ranges, randomized
from support.paths import CONFIGS

PLANS = sorted(file for file in CONFIGS.glob("pupper/*.yaml") if file.stem != "live")
OUTSIDE = table("outside")
MACHINE = {"com": "com_shift"}
"""Where the names of the table and of a machine differ."""


def values(name: str, drawn: Dynamics) -> list[float]:
    """What a machine has under a name of the table."""
    value = getattr(drawn, MACHINE.get(name, name))
    return [value] if isinstance(value, float) else list(value)


def trained() -> Iterator[tuple[str, Ranges]]:
    """The ranges of every training that is shipped."""
    for file in PLANS:
        ranges = load_training(file).walk.ranges
        assert ranges is not None
        yield file.name, ranges


def lies_within(name: str, value: float, ranges: Ranges) -> bool:
    if name in AMOUNTS:
        return bool(abs(value) <= getattr(ranges, name))
    low, high = getattr(ranges, name)
    return bool(low <= value <= high)


@given(st.integers(0, 2**32))
def test_no_value_that_outside_draws_lies_within_what_a_shipped_plan_trains_on(seed: int) -> None:
    drawn = draw(OUTSIDE, np.random.default_rng(seed))
    for plan, ranges in trained():
        for name in randomized(OUTSIDE):
            inner = [value for value in values(name, drawn) if lies_within(name, value, ranges)]
            assert not inner, f"{name}: {inner} are drawn by {plan}"


def test_outside_draws_all_that_inside_draws_and_from_both_sides_where_there_are_two() -> None:
    assert len(PLANS) == 3
    assert set(randomized(OUTSIDE)) == set(randomized(table("inside")))
    machines = [draw(OUTSIDE, np.random.default_rng(seed)) for seed in range(400)]
    for name, (low, high) in OUTSIDE.without.items():
        below = [value < (-low if name in AMOUNTS else low) for one in machines for value in values(name, one)]
        assert 0.4 < np.mean(below) < 0.6 or (name in AMOUNTS and low == 0.0 and high > 0.0)
    assert {np.sign(one.com_shift[0]) for one in machines} == {-1.0, 1.0}


def test_inside_lies_within_what_the_shipped_gait_trained_on() -> None:
    shipped, inside = dict(trained())["walk.yaml"], table("inside")
    for seed in range(100):
        drawn = draw(inside, np.random.default_rng(seed))
        for name in randomized(inside):
            assert all(lies_within(name, value, shipped) for value in values(name, drawn)), name


def test_the_old_name_of_inside_still_works_and_says_what_it_is_called_now(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert table("unseen") == table("inside")
    assert "called `inside` now" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mass: [0.5, 1.5]\nwithout: {mass: [0.4, 1.2]}", "mass"),
        ("mass: [0.5, 1.5]\nwithout: {mass: [0.5, 1.5]}", "leave some of it"),
        ("mass: [0.5, 1.5]\nwithout: {mass: [1.2, 0.9]}", "mass"),
        ("com: 0.02\nwithout: {com: [0.0, 0.03]}", "com"),
        ("without: {weight: [0, 1]}", "weight"),
        ("without: {bumps: [0, 0.001]}", "bumps"),
        ("mass: [0.5, 1.5]\nwithout: {mass: [.nan, 1.2]}", "mass"),
    ],
)
def test_a_middle_that_leaves_nothing_or_is_no_part_of_its_range_is_refused(
    text: str, named: str, tmp_path: Path
) -> None:
    file = tmp_path / "table.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=named):
        load_ranges(file)


def test_a_range_without_its_lower_part_is_drawn_from_its_upper_part() -> None:
    ranges = msgspec.structs.replace(FIXED, mass=(0.8, 1.2), without={"mass": (0.8, 1.1)})
    drawn = [draw(ranges, np.random.default_rng(seed)).mass for seed in range(50)]
    assert min(drawn) > 1.1 and max(drawn) <= 1.2
    assert set(ranges.without) <= set(SCALARS)


def test_seeds_of_different_purposes_never_meet() -> None:
    for purposes in (
        (seeds.TRAINING, seeds.SELECTION, seeds.FINAL),
        (seeds.GRID_TUNING, seeds.GRID_REPORT),
    ):
        for one, other in itertools.combinations(purposes, 2):
            assert one.stop <= other.start or other.stop <= one.start
    judging = WalkTraining().judging
    assert judging.seed in seeds.SELECTION and judging.seed + judging.episodes in seeds.SELECTION
    assert not set(training_seeds(899_000, 3000)) & set(HELD_OUT_TRACKS)


def test_more_seeds_than_a_purpose_has_are_refused() -> None:
    assert seeds.within(seeds.GRID_REPORT, 990, 10) == range(1990, 2000)
    with pytest.raises(ValueError, match="2000"):
        seeds.within(seeds.GRID_REPORT, 990, 11)
