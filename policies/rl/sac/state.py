"""All that learns in soft actor-critic: how it begins, under which names it is kept, and where it is."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from leash_robot.policies.manifest import NetworkConfig
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.networks import Params

ACTOR_HEAD = 0.01
"""The actor's last layer begins this small: an untrained one asks for the stand pose."""


class Networks(NamedTuple):
    """All that learns, with Adam's moments beside it."""

    actor: Params
    critic: Params
    target: Params
    average: Params
    first: Params
    """The actor that reinforcement began with"""
    log_temperature: Tensor
    """()"""
    moments: dict[str, Params]
    """`actor_mean`, `actor_square`, `critic_mean`, `critic_square`, `temperature`"""
    counts: Tensor
    """(2,) steps that the critics' and the actor's Adam took"""


def born(config: SacConfig, sizes: Sizes, generator: Generator) -> Networks:
    """Fresh networks."""
    actor = _fresh(actor_shapes(config, sizes), generator)
    actor[f"weight_{len(config.actor_hidden)}"] *= ACTOR_HEAD
    critic = _fresh(critic_shapes(config, sizes), generator)
    moments = {
        f"{name}_{kind}": _zeros(net)
        for name, net in (("actor", actor), ("critic", critic))
        for kind in ("mean", "square")
    }
    moments["temperature"] = {"mean": torch.zeros(()), "square": torch.zeros(())}
    temperature = torch.tensor(math.log(config.temperature))
    return Networks(actor, critic, _copy(critic), _copy(actor), _copy(actor), temperature, moments, torch.zeros(2))


def actor_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the actor's weights; its outputs are the means, then what becomes the deviations."""
    return shapes(NetworkConfig(1, config.actor_hidden, 1), sizes.obs, 2 * sizes.actions)


def critic_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the critics' weights."""
    return shapes(NetworkConfig(config.critics, config.critic_hidden, 1), sum(sizes), 1)


def named(nets: Networks) -> dict[str, Tensor]:
    """Every tensor of the networks under a flat name."""
    own = {name: getattr(nets, name) for name in ("actor", "critic", "target", "average", "first")}
    parts = {**own, **nets.moments}
    flat = {f"{part}.{name}": value for part, params in parts.items() for name, value in params.items()}
    return {**flat, "log_temperature": nets.log_temperature, "counts": nets.counts}


def _fresh(wanted: Mapping[str, tuple[int, ...]], generator: Generator) -> Params:
    made: Params = {}
    for name, shape in wanted.items():
        if name.startswith("weight"):
            made[name] = (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(shape[1])
        else:
            made[name] = torch.ones(shape) if name.startswith("gain") else torch.zeros(shape)
    return made


def _zeros(params: Params) -> Params:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _copy(params: Params) -> Params:
    return {name: value.clone() for name, value in params.items()}


def moved(nets: Networks, device: torch.device) -> Networks:
    """The same on another device."""

    def there(params: Params) -> Params:
        return {name: value.to(device) for name, value in params.items()}

    rest = {name: there(params) for name, params in nets.moments.items()}
    actor, critic, target, average, first = map(there, nets[:5])
    return Networks(
        actor, critic, target, average, first, nets.log_temperature.to(device), rest, nets.counts.to(device)
    )
