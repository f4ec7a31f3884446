"""The gradient loop of all imitation: learning-rate schedule, and going on after an interruption."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from leash_robot.policies.imitation.checkpoint import (
    Begun,
    Facts,
    Interrupted,
    collected,
    optimizer_arrays,
    resume_optimizer,
)
from leash_robot.robot.types import Array

RISKY = 0.99
"""The quantile of held-out disagreement that is called risk 0.5."""
WARM_UP = 0.05
"""Part of the steps in which the learning rate rises."""

Batch = TypeVar("Batch")


class Network(Protocol):
    """A network whose weights have names."""

    def arrays(self) -> dict[str, Tensor]:
        """The weights by name, detached copies."""
        ...

    def load(self, arrays: dict[str, Tensor]) -> None:
        """Adopt weights of exactly these names and shapes."""
        ...


@dataclass
class TrainingLoop:
    """Gradient steps on a network, from the `last` one that was taken."""

    network: Network
    optimizer: torch.optim.Optimizer
    rate: float
    """Highest learning rate."""
    steps: int
    last: int = 0

    def run(self, batches: Iterator[Batch], loss_of: Callable[[Batch], Tensor]) -> Iterator[tuple[int, float]]:
        """Take the remaining steps; yields the number and the loss of each."""
        for step, batch in zip(range(self.last + 1, self.steps + 1), batches, strict=False):
            self.optimizer.param_groups[0]["lr"] = self.rate * schedule(step / self.steps)
            loss = loss_of(batch)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            self.last = step
            yield step, float(loss.detach())

    def interrupted(self, options: Begun, more: dict[str, Any], **parts: Mapping[str, Tensor]) -> Interrupted:
        """All that is needed to go on after the last step; `more` and `parts` are what only this kind of training
        knows.
        """
        arrays = collected(network=self.network.arrays(), optimizer=optimizer_arrays(self.optimizer), **parts)
        return Interrupted(Facts(options, self.last, more), arrays)

    def resume(self, held: Interrupted) -> None:
        """Put network and optimizer where an interrupted training was."""
        self.network.load(held.part("network"))
        resume_optimizer(self.optimizer, held.part("optimizer"))
        self.last = held.facts.step


def schedule(part: float) -> float:
    """Learning rate as a share of the highest, after this part of the steps: warm-up, then a cosine."""
    return min(part / WARM_UP, 0.5 * (1 + math.cos(math.pi * part)))


def risk_scale(spread: Array) -> float:
    """The ensemble spread that counts as risk 0.5, given that of held-out samples (N,)."""
    return max(float(np.quantile(spread, RISKY)), 1e-6)
