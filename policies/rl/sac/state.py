"""All that soft actor-critic learns: its initial values, and the names under which checkpoints keep it."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from leash_robot.policies.manifest import NetworkConfig
from leash_robot.policies.networks.mlp import initial_weight
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.networks import Params

ACTOR_HEAD = 0.01
"""Factor of the actor's last layer at the start: an untrained actor targets the stand pose."""
EARLIER = {
    "log_temperature": "alpha.log_alpha",
    "temperature.mean": "alpha_mean.log_alpha",
    "temperature.square": "alpha_square.log_alpha",
}
"""Names in checkpoints written by earlier versions, and what they are now; `first.*` is `reference.*`."""


class SacState(NamedTuple):
    """Networks, alpha, and Adam's moments of both."""

    actor: Params
    critic: Params
    target: Params
    """The critics' targets."""
    average: Params
    """Running average of the actor."""
    reference: Params
    """The actor that reinforcement began with."""
    alpha: Params
    """`log_alpha` ()"""
    moments: dict[str, Params]
    """Adam's `actor_mean`, `actor_square`, and the same of `critic` and `alpha`."""
    counts: Tensor
    """(2,) steps that the critics' and the actor's Adam took."""


def init(config: SacConfig, sizes: Sizes, generator: Generator) -> SacState:
    """Initial weights."""
    actor = {name: initial_weight(name, shape, generator) for name, shape in actor_shapes(config, sizes).items()}
    actor[f"weight_{len(config.actor_hidden)}"] *= ACTOR_HEAD
    critic = {name: initial_weight(name, shape, generator) for name, shape in critic_shapes(config, sizes).items()}
    alpha = {"log_alpha": torch.tensor(math.log(config.alpha))}
    moments = {
        f"{name}_{moment}": {key: torch.zeros_like(value) for key, value in params.items()}
        for name, params in (("actor", actor), ("critic", critic), ("alpha", alpha))
        for moment in ("mean", "square")
    }
    return SacState(actor, critic, _copy(critic), _copy(actor), _copy(actor), alpha, moments, torch.zeros(2))


def actor_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the actor's weights; its outputs are means, then what the standard deviations come from."""
    return shapes(NetworkConfig(1, config.actor_hidden, 1), sizes.obs, 2 * sizes.actions)


def critic_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the critics' weights."""
    return shapes(NetworkConfig(config.critics, config.critic_hidden, 1), sum(sizes), 1)


def named(state: SacState) -> dict[str, Tensor]:
    """Every tensor of the state under a flat name."""
    flat = {f"{part}.{name}": value for part, params in _parts(state) for name, value in params.items()}
    return {**flat, "counts": state.counts}


def current_name(name: str) -> str:
    """The name that a tensor of a checkpoint has now."""
    part, _, rest = name.partition(".")
    return f"reference.{rest}" if part == "first" else EARLIER.get(name, name)


def to_device(state: SacState, device: torch.device) -> SacState:
    """A copy on this device."""
    moved = {part: {name: value.to(device) for name, value in params.items()} for part, params in _parts(state)}
    own = {name: moved[name] for name in SacState._fields if name in moved}
    return SacState(**own, moments={name: moved[name] for name in state.moments}, counts=state.counts.to(device))


def _parts(state: SacState) -> Iterator[tuple[str, Params]]:
    yield from ((name, getattr(state, name)) for name in SacState._fields[:6])
    yield from state.moments.items()


def _copy(params: Params) -> Params:
    return {name: value.clone() for name, value in params.items()}
