"""The trainer drives any algorithm: imitation first, then the updates that steps allow, published now and then."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pytest

from leash_robot.policies.rl.algorithm import Actor, AlgorithmState, Float32
from leash_robot.policies.rl.checkpoint import Checkpoint
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.progress import Pace
from leash_robot.policies.rl.replay_buffer import Layout, ReplayBuffer, layout
from leash_robot.policies.rl.trainer import PUBLISH, Imitation, Trainer
from leash_robot.policies.rl.weight_channel import WeightChannel

COLUMNS = layout(2, 0, 1)


class Counting:
    """Fits `Algorithm` and `AlgorithmFactory`: counts what is asked of it; its weights are its updates."""

    columns: Layout = COLUMNS
    batch = 8

    def __init__(self) -> None:
        self.updates = 0
        self.imitated: list[int] = []
        self._online: Sequence[ReplayBuffer] = ()

    @property
    def metrics(self) -> Mapping[str, float]:
        return {}

    def uncompiled(self) -> "Counting":
        return self

    def actor(self) -> Actor:
        raise NotImplementedError

    def algorithm(
        self, online: Sequence[ReplayBuffer], demonstrated: Sequence[ReplayBuffer], resume: Checkpoint | None = None
    ) -> "Counting":
        self._online = online
        return self

    def prepare(self) -> float:
        return 1.0

    def ready(self) -> int:
        return sum(replay.ready(1) for replay in self._online)

    def update(self) -> None:
        self.updates += 1

    def imitate(self, steps: int, recorded: RecordedActions | None) -> None:
        self.imitated.append(steps)

    def weights(self, part: Literal["actor", "average"] = "actor") -> dict[str, Float32]:
        return {"weight": np.full(1, self.updates, np.float32)}

    def state(self) -> AlgorithmState:
        return AlgorithmState(self.updates, {}, "", "float32")


@pytest.fixture
def buffers() -> Iterator[tuple[ReplayBuffer, ReplayBuffer]]:
    with (
        ReplayBuffer(capacity=500, columns=COLUMNS) as online,
        ReplayBuffer(capacity=500, columns=COLUMNS) as demonstrated,
    ):
        yield online, demonstrated


def filled(replay: ReplayBuffer, steps: int) -> None:
    for _ in range(steps):
        replay.add(obs=np.zeros(2), privileged=np.zeros(0), action=np.zeros(1), reward=0.0, end=0, burst=0)


def worked(trainer: Trainer) -> int:
    return sum(1 for _ in iter(trainer.step, False))


def test_updates_follow_the_steps_once_there_is_enough(buffers: tuple[ReplayBuffer, ReplayBuffer]) -> None:
    online, algorithm = buffers[0], Counting()
    trainer = Trainer(algorithm, ([online], []), Pace(0.5, 20), lambda: online.written)
    filled(online, 20)
    assert worked(trainer) == 0 and not trainer.ready
    filled(online, 10)
    assert worked(trainer) == algorithm.updates == 15
    filled(online, 10)
    trainer.restart_pace()
    filled(online, 4)
    assert worked(trainer) == 2


def test_imitation_comes_first_in_its_rounds_and_is_published(buffers: tuple[ReplayBuffer, ReplayBuffer]) -> None:
    (online, demonstrated), algorithm = buffers, Counting()
    imitation = Imitation(steps=30, rounds=3, demonstrations=60)
    trainer = Trainer(algorithm, ([online], [demonstrated]), Pace(1.0, 0), lambda: online.written, imitation=imitation)
    with WeightChannel(size=1) as channel:
        trainer.channel = channel
        filled(online, 50)
        assert worked(trainer) == 0, "no update before the demonstrations are cloned"
        filled(demonstrated, 45)
        assert worked(trainer) == 2 and not trainer.imitated
        filled(demonstrated, 15)
        assert worked(trainer) == 1 and trainer.imitated and channel.version == 3
        assert algorithm.imitated == [10, 10, 10]
        filled(online, 2 * PUBLISH)
        assert worked(trainer) == 2 * PUBLISH, "none for the steps before imitation ended"
        assert channel.version == 5
