"""Settings of soft actor-critic, importable without torch."""

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0, le=1)]
Part = Annotated[float, Meta(ge=0, le=1)]
Width = Annotated[int, Meta(ge=1, le=4096)]
Precision = Literal["float32", "bfloat16", "auto"]

LOG_STD = (-5.0, 0.0)
"""Bounds of the logarithm of the standard deviation of the actor, before tanh."""


RENAMED = {
    "believed": "critic_subset",
    "critic_rate": "critic_learning_rate",
    "actor_rate": "actor_learning_rate",
    "temperature_rate": "alpha_learning_rate",
    "temperature": "alpha",
    "entropy": "target_entropy",
    "steps": "n_step",
    "delay": "policy_delay",
}
"""Keys of `SacConfig` in files that version 0.1 wrote, and what they are now."""


class SacConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters."""

    critics: Annotated[int, Meta(ge=1, le=64)] = 2
    critic_subset: Annotated[int, Meta(ge=1, le=64)] = 2
    """Critics, drawn anew in each update, that a target is the minimum of (REDQ)."""
    critic_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (256, 256)
    actor_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (128, 128)
    batch: Annotated[int, Meta(ge=2, le=65536)] = 256
    critic_learning_rate: Positive = 5e-4
    actor_learning_rate: Positive = 5e-4
    alpha_learning_rate: Positive = 5e-4
    alpha: Positive = 0.02
    """Initial temperature; it is learned."""
    target_entropy: Annotated[float, Meta(ge=-10, le=10)] = -0.6
    """For each action [nats]."""
    gamma: Annotated[float, Meta(gt=0, lt=1)] = 0.98
    tau: Positive = 0.01
    """Share of the way that target critics move in an update (Polyak averaging)."""
    n_step: Annotated[int, Meta(ge=1, le=20)] = 3
    """Rewards in a target."""
    policy_delay: Annotated[int, Meta(ge=1, le=100)] = 2
    """Actor and alpha learn in every so many-th update."""
    warm_up: Annotated[int, Meta(ge=0)] = 0
    """Updates of the critics alone before the actor learns."""
    ema: Positive = 0.002
    """Share of the way that the averaged actor, which is evaluated and saved, moves in an update."""
    imitation: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """Weight of the imitation loss at first, where there are demonstrations."""
    imitation_updates: Annotated[int, Meta(ge=1)] = 10_000
    """Updates after the warm-up until that weight is 0."""
    precision: Precision = "auto"
    """Number format of the factors of large matrix products; `auto` is bfloat16 where the processor or the CUDA device
    has instructions for it. A resumed training keeps its own."""
    anchor: Annotated[float, Meta(ge=0, le=1e4)] = 0.0
    """Weight of the squared distance from what the imitated actor would do: the policy stays where the critics have
    data."""


class Sizes(NamedTuple):
    """Lengths of the vectors that the networks read and write."""

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


def with_current_keys(training: dict[str, Any]) -> dict[str, Any]:
    """What a file says of a training, the keys of its `sac` section renamed to those of today."""
    given = training.get("sac")
    if not isinstance(given, dict):
        return training
    return {**training, "sac": {RENAMED.get(key, key): value for key, value in given.items()}}
