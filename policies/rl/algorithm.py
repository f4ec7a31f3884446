"""What a trainer asks of an algorithm: act, update, state. SAC is the first; none of this needs torch."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.checkpoint import Arrays, Checkpoint
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.replay_buffer import Layout, ReplayBuffer
from leash_robot.policies.rl.sac.config import Precision

Float32 = NDArray[np.float32]
Weights = Mapping[str, Float32]


class ExplorationPolicy(Protocol):
    """Chooses actions while experience is gathered."""

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (n,) in [-1, 1] for this observation (d,)."""
        ...


class GreedyActor(Protocol):
    """Acts without exploration."""

    def best(self, obs: Float32) -> Float32:
        """The action (n,) in [-1, 1] for this observation (d,)."""
        ...


class Actor(ExplorationPolicy, GreedyActor, Protocol):
    """A policy whose weights arrive as one flat vector, for processes that only act."""

    @property
    def size(self) -> int:
        """Length of the vector of weights."""
        ...

    def adopt(self, flat: Float32) -> None:
        """Take these weights (size,)."""
        ...


class AlgorithmState(NamedTuple):
    """All that an algorithm needs to go on exactly."""

    updates: int
    arrays: Arrays
    """`learner.*`, the networks and optimizers by name; `luck`, the generator of the updates."""
    rng: str
    """State of the generator that draws batches, as JSON."""
    precision: Precision


class Algorithm(Protocol):
    """Learns from replay buffers."""

    updates: int
    """Updates so far, those of earlier parts of the training included."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Losses and the like, of the latest update."""
        ...

    def prepare(self) -> float:
        """Compile; returns the updates that this machine makes in a second of CPU time."""
        ...

    def ready(self) -> int:
        """How many steps can be sampled."""
        ...

    def update(self) -> None:
        """Learn from one batch."""
        ...

    def imitate(self, steps: int, recorded: RecordedActions | None) -> None:
        """Clone the demonstrated actions, then be ready for reinforcement."""
        ...

    def weights(self, part: Literal["actor", "average"] = "actor") -> Weights:
        """The actor, or its running average, which is what is evaluated and saved."""
        ...

    def state(self) -> AlgorithmState:
        """All that is needed to go on exactly."""
        ...


class AlgorithmFactory(Protocol):
    """Makes an algorithm and its actors. Picklable, so that it reaches every process."""

    @property
    def columns(self) -> Layout:
        """Columns of the replay buffer."""
        ...

    @property
    def batch(self) -> int:
        """Steps in a batch."""
        ...

    def uncompiled(self) -> "AlgorithmFactory":
        """The same, of learners that do not compile."""
        ...

    def actor(self) -> Actor:
        """An actor without weights."""
        ...

    def algorithm(
        self, online: Sequence[ReplayBuffer], demonstrated: Sequence[ReplayBuffer], resume: Checkpoint | None = None
    ) -> Algorithm:
        """A learner on these buffers, fresh or as the checkpoint has it."""
        ...


def demonstration_columns(factory: AlgorithmFactory) -> Layout:
    """Columns of a buffer of demonstrations: beside what was done, what the expert would have done there."""
    shape = next(shape for name, shape, _ in factory.columns if name == "action")
    return (*factory.columns, ("wanted", shape, "f4"))


def flattened(weights: Weights) -> Float32:
    """The weights as one vector, in their order."""
    return np.concatenate([array.ravel() for array in weights.values()])
