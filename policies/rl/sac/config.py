"""How to learn with soft actor-critic, for everybody who must know it, also where there is no torch."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0, le=1)]
Part = Annotated[float, Meta(ge=0, le=1)]
Width = Annotated[int, Meta(ge=1, le=4096)]
Precision = Literal["float32", "bfloat16", "auto"]

LOG_STD = (-5.0, 0.0)
"""Bounds of the logarithm of the actor's deviation, before the squashing."""


class SacConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to learn."""

    critics: Annotated[int, Meta(ge=1, le=64)] = 2
    believed: Annotated[int, Meta(ge=1, le=64)] = 2
    """How many critics, drawn anew each time, a target's minimum is taken over."""
    critic_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (256, 256)
    actor_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (128, 128)
    batch: Annotated[int, Meta(ge=2, le=65536)] = 256
    critic_rate: Positive = 5e-4
    """Learning rate."""
    actor_rate: Positive = 5e-4
    temperature_rate: Positive = 5e-4
    temperature: Positive = 0.02
    """Where the temperature starts."""
    entropy: Annotated[float, Meta(ge=-10, le=10)] = -0.6
    """Entropy to keep, for each action."""
    gamma: Annotated[float, Meta(gt=0, lt=1)] = 0.98
    tau: Positive = 0.01
    """How fast the targets follow."""
    steps: Annotated[int, Meta(ge=1, le=20)] = 3
    """Of rewards in a target."""
    delay: Annotated[int, Meta(ge=1, le=100)] = 2
    """The actor and the temperature learn on every so many updates."""
    warm_up: Annotated[int, Meta(ge=0)] = 0
    """Updates of the critics alone before the actor learns."""
    ema: Positive = 0.002
    """How fast the averaged actor, the one that is judged and saved, follows."""
    imitation: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """Weight of the pull towards demonstrated actions, where there are any."""
    imitation_updates: Annotated[int, Meta(ge=1)] = 10_000
    """Updates after the warm-up until that pull is gone."""
    precision: Precision = "auto"
    """Of the factors of large products; `auto` is bfloat16 where the processor, or a CUDA device, says that it has
    instructions for it. A training that goes on keeps what it began with."""
    anchor: Annotated[float, Meta(ge=0, le=1e4)] = 0.0
    """Weight of the pull of every action towards what the imitated actor would do: reinforcement stays where the
    critics know something."""


class Sizes(NamedTuple):
    """Lengths of what goes in and out."""

    obs: int
    privileged: int
    actions: int


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a batch is demonstrated (RLPD, Ball et al. 2023)."""

    first: Part = 0.5
    last: Part = 0.1
    updates: Annotated[int, Meta(ge=1)] = 20_000
    """Over how many updates it goes from first to last."""

    def at(self, update: int) -> float:
        """The part at this update."""
        return self.last + (self.first - self.last) * max(0.0, 1.0 - update / self.updates)
