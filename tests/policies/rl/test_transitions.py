"""What a robot remembers: the policy's steps in one replay, a person's in both, and no target across a burst."""

from collections.abc import Iterator

import numpy as np
import pytest

from leash_robot.policies.rl.drivers.transitions import Transition, TransitionRecorder
from leash_robot.policies.rl.replay_buffer import FINAL, RUNNING, TERMINATED, TRUNCATED, ReplayBuffer, layout


@pytest.fixture
def memory() -> Iterator[TransitionRecorder]:
    rows = layout(1, 1, 1)
    meant = (*rows, ("wanted", (1,), "f4"))
    with ReplayBuffer(capacity=100, columns=rows) as online, ReplayBuffer(capacity=100, columns=meant) as shown:
        yield TransitionRecorder(online, shown)


def at(number: int, burst: int = 0, *, shown: bool | None = None) -> Transition:
    value = np.array([number], np.float32)
    return Transition(value, value, value, burst, burst > 0 if shown is None else shown)


def told(replay: ReplayBuffer) -> list[tuple[int, int, int]]:
    count = replay.written
    columns = replay.columns
    return [(int(columns["obs"][n, 0]), int(columns["end"][n]), int(columns["burst"][n])) for n in range(count)]


def walked(memory: TransitionRecorder, bursts: list[int]) -> None:
    memory.begin()
    for number, burst in enumerate(bursts):
        memory.add(at(number, burst), float(number))


def test_a_takeover_is_in_both_and_the_policys_steps_in_one(memory: TransitionRecorder) -> None:
    walked(memory, [0, 0, 1, 1, 0, 0])
    assert told(memory._online) == [(0, RUNNING, 0), (1, RUNNING, 0), (2, RUNNING, 1), (3, RUNNING, 1), (4, RUNNING, 0)]
    assert told(memory._shown) == [(2, RUNNING, 1), (3, TRUNCATED, 1), (4, FINAL, 0)]
    assert (memory.steps, memory.demonstrated) == (5, 2)


def test_no_target_spans_the_edge_of_a_burst(memory: TransitionRecorder) -> None:
    """Rewards tell where a sample of three steps went: row k is worth the number of the observation after it."""
    walked(memory, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    draw = memory._online.sample(400, 3, 1.0, np.random.default_rng(0))
    spans = {(int(now), int(after)) for now, after in zip(draw.now["obs"][:, 0], draw.after["obs"][:, 0], strict=True)}
    assert {(1, 3), (2, 3), (3, 6), (4, 6), (5, 6), (6, 9)} <= spans
    assert not any(now < edge < after for now, after in spans for edge in (3, 6))


def test_a_fall_ends_both(memory: TransitionRecorder) -> None:
    walked(memory, [0, 1, 1])
    memory.add(at(3, 1), -5.0, fell=True)
    memory.add(at(10), 0.0)
    assert told(memory._online)[-2:] == [(2, TERMINATED, 1), (3, FINAL, 1)]
    assert told(memory._shown)[-2:] == [(2, TERMINATED, 1), (3, FINAL, 1)]


def test_a_time_limit_goes_on_from_the_same_moment(memory: TransitionRecorder) -> None:
    walked(memory, [0, 0])
    memory.add(at(2), 2.0, cut=True)
    memory.add(at(3), 3.0)
    assert told(memory._online) == [(0, RUNNING, 0), (1, TRUNCATED, 0), (2, FINAL, 0), (2, RUNNING, 0)]


def test_a_trajectory_that_is_broken_off_ends_with_its_last_observation(memory: TransitionRecorder) -> None:
    walked(memory, [0, 0, 0])
    memory.begin()
    memory.add(at(9), 0.0)
    memory.add(at(10), 0.0)
    assert told(memory._online) == [(0, RUNNING, 0), (1, TRUNCATED, 0), (2, FINAL, 0), (9, RUNNING, 0)]


def test_two_bursts_are_not_one(memory: TransitionRecorder) -> None:
    walked(memory, [1, 1, 2, 2, 0])
    assert [end for _, end, _ in told(memory._shown)] == [RUNNING, TRUNCATED, FINAL, RUNNING, TRUNCATED, FINAL]
