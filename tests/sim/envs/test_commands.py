"""Which commands are drawn, and which are asked again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.types import Array
from leash_robot.sim.envs.commands import REMEMBERED, Commands, Curriculum

ASKED = Commands(vx=(-0.3, 0.5), stand=0.0, again=0.5)


def drawn(curriculum: Curriculum, count: int, seed: int = 0) -> Array:
    """So many commands (count, 3), for a robot that only walks ahead."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        rows.append(curriculum.draw(rng))
        for _ in range(3):
            curriculum.went(1.0 if rows[-1][0] > 0 else 0.2)
    return np.array(rows)


def test_what_is_not_followed_is_asked_more_often() -> None:
    """3/8 of the range lies behind; half of the commands come from there alone, but for those drawn near its edge."""
    first, later = np.split(drawn(Curriculum(ASKED), 2000) < 0, [REMEMBERED])
    assert 0.25 < first[:, 0].mean() < 0.5
    assert 0.55 < later[:, 0].mean() < 0.7
    assert drawn(Curriculum(Commands(vx=(-0.3, 0.5), stand=0.0)), 2000)[:, 0].mean() > 0.08


def test_when_all_is_followed_anything_is_asked_again() -> None:
    curriculum, rng = Curriculum(Commands(stand=0.2, again=1.0)), np.random.default_rng(0)
    rows = []
    for _ in range(1000):
        rows.append(curriculum.draw(rng))
        curriculum.went(1.0)
    moving = np.array([row for row in rows if row.any()])
    assert 700 < len(moving) < 900
    assert (moving.min(0) < [-0.25, -0.1, -0.8]).all() and (moving.max(0) > [0.45, 0.1, 0.8]).all()


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_commands_stay_in_their_ranges_however_badly_they_go(seed: int, went: list[float]) -> None:
    ranges = Commands(vx=(0.1, 0.2), vy=(0.0, 0.0), yaw=(-0.5, 0.5), again=1.0)
    curriculum, rng = Curriculum(ranges), np.random.default_rng(seed)
    for _ in range(3 * REMEMBERED):
        command = curriculum.draw(rng)
        assert not command.any() or (0.1 <= command[0] <= 0.2 and command[1] == 0 and abs(command[2]) <= 0.5)
        for pursuit in went:
            curriculum.went(pursuit)


@given(st.integers(0, 3 * REMEMBERED))
def test_one_that_remembers_the_same_goes_on_the_same(count: int) -> None:
    one, other = Curriculum(ASKED), Curriculum(ASKED)
    drawn(one, count)
    other.memory = one.memory
    assert one.memory.shape == (min(count, REMEMBERED), 4)
    np.testing.assert_array_equal(drawn(one, 50, seed=1), drawn(other, 50, seed=1))
