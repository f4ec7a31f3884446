"""What is held out: an episode's side is its own, whatever is around it."""

from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.imitation.holdout import bags, held_out, place, threshold

names = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=60, unique=True)
parts = st.floats(0.01, 0.99)


@given(names, parts)
def test_at_least_one_is_held_out_and_never_all(some: list[str], part: float) -> None:
    held = held_out(some, threshold(some, part))
    assert 0 < held.sum() < len(some)


@given(names, parts, st.data())
def test_what_was_learned_from_is_not_held_out_when_others_join(
    some: list[str], part: float, data: st.DataObject
) -> None:
    few = data.draw(st.lists(st.sampled_from(some), min_size=2, unique=True))
    if all(place(each) < part for each in few):
        return  # one of them had to be learned from; `WarmStart` keeps the threshold where that matters
    learned = {each for each, out in zip(few, held_out(few, threshold(few, part)), strict=True) if not out}
    held = {each for each, out in zip(some, held_out(some, threshold(some, part)), strict=True) if out}
    assert not learned & held


@given(names, parts)
def test_order_and_copies_change_nothing(some: list[str], part: float) -> None:
    assert threshold([*some[::-1], *some], part) == threshold(some, part)


def test_about_the_part_asked_for_is_held_out() -> None:
    many = [f"episode {number}" for number in range(2000)]
    assert 0.08 < held_out(many, threshold(many, 0.1)).mean() < 0.12


@given(names, st.integers(1, 5), st.floats(0, 1))
def test_bags_are_fixed_by_the_ids_and_leave_no_episode_to_nobody(some: list[str], members: int, own: float) -> None:
    made = bags(some, members, own)
    assert made.shape == (members, len(some)) and (made.sum(axis=0) >= 1).all()
    assert (bags(some[::-1], members, own)[:, ::-1] == made).all()
    assert (bags(some[:1], members, own)[:, 0] == made[:, 0]).all()
