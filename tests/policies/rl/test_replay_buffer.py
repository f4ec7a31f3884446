"""Replays: what a sample spans, where it must stop, and what another process sees."""

import multiprocessing
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.policies.rl.replay_buffer import (
    FINAL,
    GUARD,
    RUNNING,
    TERMINATED,
    TRUNCATED,
    ReplayBuffer,
    ReplaySlot,
    layout,
)
from leash_robot.robot.errors import PolicyError

GAMMA = 0.9
COLUMNS = layout(1, 1, 1)


def fill(replay: ReplayBuffer, episodes: list[tuple[int, int]], bursts: dict[int, int] | None = None) -> None:
    """Episodes of (length, end); every row's observation is its number, its reward 1 + its number."""
    row = 0
    for length, end in episodes:
        for step in range(length):
            last = step == length - 1
            burst = (bursts or {}).get(row, 0)
            replay.add(obs=row, privileged=row, action=row, reward=1.0 + row, end=end if last else RUNNING, burst=burst)
            row += 1
        replay.add(obs=row, privileged=row, reward=0.0, end=FINAL, burst=0)
        row += 1


def spans(replay: ReplayBuffer, steps: int = 3) -> dict[int, tuple[int, float, float]]:
    """For each first row that was drawn: the row after, the reward, the discount."""
    drawn = replay.sample(2000, steps, GAMMA, np.random.default_rng(0))
    first, after = drawn.now["obs"][:, 0].astype(int), drawn.after["obs"][:, 0].astype(int)
    return {
        int(row): (int(following), float(reward), float(discount))
        for row, following, reward, discount in zip(first, after, drawn.reward, drawn.discount, strict=True)
    }


def test_a_sample_amid_an_episode_spans_its_steps() -> None:
    with ReplayBuffer(capacity=200, columns=COLUMNS) as replay:
        fill(replay, [(10, TRUNCATED), (5, TRUNCATED)])
        after, reward, discount = spans(replay)[2]
    assert after == 5
    assert reward == pytest.approx(3 + GAMMA * 4 + GAMMA**2 * 5)
    assert discount == pytest.approx(GAMMA**3)


def test_a_failure_ends_the_sample_and_bootstraps_nothing() -> None:
    with ReplayBuffer(capacity=200, columns=COLUMNS) as replay:
        fill(replay, [(10, TERMINATED), (5, TRUNCATED)])
        _, reward, discount = spans(replay)[8]
    assert reward == pytest.approx(9 + GAMMA * 10)
    assert discount == 0.0


def test_a_time_limit_ends_the_sample_and_bootstraps_from_the_final_observation() -> None:
    with ReplayBuffer(capacity=200, columns=COLUMNS) as replay:
        fill(replay, [(10, TRUNCATED), (5, TRUNCATED)])
        after, reward, discount = spans(replay)[9]
    assert after == 10, "the row that holds the final observation"
    assert reward == pytest.approx(10.0)
    assert discount == pytest.approx(GAMMA)


def test_a_sample_stops_where_a_burst_of_intervention_begins_and_where_it_ends() -> None:
    with ReplayBuffer(capacity=200, columns=COLUMNS) as replay:
        fill(replay, [(10, TRUNCATED), (5, TRUNCATED)], bursts={4: 1, 5: 1, 6: 1, 7: 1})
        made = spans(replay)
    assert made[3][0] == 4
    assert made[3][2] == pytest.approx(GAMMA)
    assert made[6][0] == 8
    assert made[6][1] == pytest.approx(7 + GAMMA * 8)
    assert made[4][0] == 7


@settings(max_examples=40, deadline=None)
@given(
    episodes=st.lists(st.tuples(st.integers(1, 9), st.sampled_from([TERMINATED, TRUNCATED])), min_size=3, max_size=30),
    steps=st.integers(1, 5),
)
def test_no_sample_crosses_an_end(episodes: list[tuple[int, int]], steps: int) -> None:
    ends: dict[int, tuple[int, int]] = {}
    row = 0
    for length, end in episodes:
        ends |= dict.fromkeys(range(row, row + length), (row + length, end))
        row += length + 1
    with ReplayBuffer(capacity=400, columns=COLUMNS) as replay:
        fill(replay, episodes)
        if replay.ready(steps) < 1:
            return
        made = spans(replay, steps)
    for first, (after, reward, discount) in made.items():
        final, end = ends[first]
        assert after == min(first + steps, final)
        count = after - first
        assert reward == pytest.approx(sum(GAMMA**k * (1 + first + k) for k in range(count)), rel=1e-5)
        dead = after == final and end == TERMINATED
        assert discount == pytest.approx(0.0 if dead else GAMMA**count, rel=1e-5)


def test_a_full_ring_forgets_the_oldest_and_still_gives_whole_samples() -> None:
    with ReplayBuffer(capacity=150, columns=COLUMNS) as replay:
        fill(replay, [(9, TRUNCATED)] * 60)
        made = spans(replay)
    oldest = 600 - 150 + GUARD
    assert min(made) >= oldest
    assert all(after == min(first + 3, first // 10 * 10 + 9) for first, (after, _, _) in made.items())


def test_a_replay_too_small_is_refused() -> None:
    with pytest.raises(PolicyError, match=f"more than {GUARD}"):
        ReplayBuffer(capacity=GUARD, columns=COLUMNS)


def test_images_stay_bytes() -> None:
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    with ReplayBuffer(capacity=100, columns=layout(1, 1, 1, {"head": (4, 6, 3)})) as replay:
        for _ in range(20):
            replay.add(obs=0, privileged=0, action=0, reward=0, end=RUNNING, burst=0, head=picture)
        drawn = replay.sample(3, 1, GAMMA, np.random.default_rng(0))
    assert drawn.now["head"].dtype == np.uint8
    np.testing.assert_array_equal(drawn.after["head"][2], picture)


def _write(place: ReplaySlot) -> None:
    replay = ReplayBuffer(place)
    fill(replay, [(10, TERMINATED)] * 10)
    replay.close()


def test_memory_that_is_not_there_is_named_before_anybody_writes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    room = shutil.disk_usage("/dev/shm")._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(PolicyError, match="/dev/shm has 0 MB left, and remembering needs .* --shm-size"):
        ReplayBuffer(capacity=100_000, columns=COLUMNS)


def test_rows_that_are_written_over_while_they_are_copied_are_not_kept() -> None:
    """The collector goes on while a checkpoint copies column after column."""
    with ReplayBuffer(capacity=200, columns=COLUMNS) as replay:
        fill(replay, [(400, TERMINATED)])
        before = replay.held()

        class Slow(dict[str, np.ndarray]):
            def items(self) -> Any:  # noqa: ANN401
                for number, item in enumerate(super().items()):
                    if number == 1:
                        fill(replay, [(99, TERMINATED)])
                    yield item

        replay.columns = Slow(replay.columns)
        rows = replay.held()
        assert len(rows["obs"]) == len(before["obs"]) - 100
        assert rows["obs"][0] == rows["action"][0] == before["obs"][100]


def test_another_process_writes_what_this_one_samples() -> None:
    with ReplayBuffer(capacity=500, columns=COLUMNS) as replay:
        process = multiprocessing.get_context("spawn").Process(target=_write, args=(replay.place,))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert replay.written == 110
        assert spans(replay)[0][0] == 3


def test_what_is_kept_of_an_interrupted_episode_ends_as_by_a_time_limit() -> None:
    with ReplayBuffer(capacity=500, columns=COLUMNS) as replay, ReplayBuffer(capacity=500, columns=COLUMNS) as again:
        fill(replay, [(10, TERMINATED)])
        for row in range(11, 15):
            replay.add(obs=row, privileged=row, action=row, reward=1.0 + row, end=RUNNING, burst=0)
        again.refill(replay.held())
        assert again.columns["end"][12:15].tolist() == [RUNNING, TRUNCATED, FINAL]
        assert again.written == 15
