"""The actor in NumPy: for one observation at a time several times as fast as torch."""

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.manifest import NetworkConfig
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.rl.sac.config import LOG_STD

Float32 = NDArray[np.float32]


class ActorNetwork(Protocol):
    """Chooses actions in training."""

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (n,) in [-1, 1] for these features (d,)."""
        ...


class NumpyActor:
    """The actor with these hidden layers, whose weights come as one flat vector."""

    def __init__(self, scale: Float32, hidden: tuple[int, ...], actions: int) -> None:
        """`scale` (d,) are the factors of the features."""
        self._scale = scale
        self._shapes = shapes(NetworkConfig(1, hidden, 1), len(scale), 2 * actions)
        self._layers = len(hidden)
        self.size = sum(math.prod(shape) for shape in self._shapes.values())
        """Length of the flat vector."""
        self._weights: dict[str, Float32] = {}

    def adopt(self, flat: Float32) -> None:
        """Take these weights (size,)."""
        at = 0
        for name, shape in self._shapes.items():
            self._weights[name] = flat[at : at + math.prod(shape)].reshape(shape)[0]
            at += math.prod(shape)

    def distribution(self, obs: Float32) -> tuple[Float32, Float32]:
        """Mean and standard deviation (n,) before tanh, for features (d,)."""
        x = (obs * self._scale)[None]
        for layer in range(self._layers):
            x = x @ self._weights[f"weight_{layer}"] + self._weights[f"bias_{layer}"]
            x = x - x.mean()
            x = x / np.sqrt((x * x).mean() + 1e-5) * self._weights[f"gain_{layer}"] + self._weights[f"shift_{layer}"]
            x = x / (1.0 + np.exp(-x))
        out = (x @ self._weights[f"weight_{self._layers}"] + self._weights[f"bias_{self._layers}"])[0]
        mean, raw = np.split(out, 2)
        low, high = LOG_STD
        return mean, np.exp(low + 0.5 * (high - low) * (np.tanh(raw) + 1.0))

    def best(self, obs: Float32) -> Float32:
        """The action (n,) in (-1, 1) without exploration."""
        action: Float32 = np.tanh(self.distribution(obs)[0])
        return action

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """An action (n,) in (-1, 1) with exploration."""
        mean, std = self.distribution(obs)
        action: Float32 = np.tanh(mean + std * rng.standard_normal(len(mean), np.float32))
        return action


def flattened(arrays: Mapping[str, Float32], part: str = "actor") -> Float32:
    """The weights of one network out of `Learner.arrays`, as one vector in the order of its shapes."""
    chosen = [array.ravel() for name, array in arrays.items() if name.startswith(part + ".")]
    return np.concatenate(chosen)
