"""The networks of soft actor-critic: pure functions of dictionaries of tensors.

m networks of one kind are stacked, so that a layer is one batched product (m, B, i) x (m, i, o). `dtype` is what the
factors of products between hidden layers are rounded to (`policies/rl/sac/precision.py`); weights, sums, LayerNorm and
heads are float32.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from leash_robot.policies.rl.sac.config import LOG_STD

Params = dict[str, Tensor]


def hidden_layers(params: Params, x: Tensor, activation: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Tensor:
    """(m, B, i) through the hidden layers to (m, B, h): product, LayerNorm (Ba et al. 2016), activation."""
    for layer in range(depth(params)):
        product = torch.bmm(x.to(dtype), params[f"weight_{layer}"].to(dtype)).to(torch.float32)
        product = product + params[f"bias_{layer}"]
        normal = functional.layer_norm(product, product.shape[-1:])
        x = activation(normal * params[f"gain_{layer}"] + params[f"shift_{layer}"])
    return x


def depth(params: Params) -> int:
    """How many hidden layers a network has."""
    return sum(name.startswith("gain") for name in params)


def q_values(critic: Params, context: Tensor, action: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Q (m, B) of each of m critics, of actions (B, n) in contexts (B, d + p)."""
    inputs = torch.cat([context, action], -1)
    last = hidden_layers(critic, inputs.expand(len(critic["bias_0"]), *inputs.shape), torch.relu, dtype)
    head = depth(critic)
    # Note: a product with a single column is many times slower as a matrix product than as a sum.
    return (last * critic[f"weight_{head}"].transpose(1, 2)).sum(-1) + critic[f"bias_{head}"][:, :, 0]


def gaussian(actor: Params, obs: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation (B, n) of the actor's Gaussian before tanh, for features (B, d)."""
    last = hidden_layers(actor, obs[None], functional.silu, dtype)
    head = depth(actor)
    mean, raw = (torch.bmm(last, actor[f"weight_{head}"]) + actor[f"bias_{head}"])[0].chunk(2, -1)
    low, high = LOG_STD
    return mean, low + 0.5 * (high - low) * (torch.tanh(raw) + 1.0)


class ActionSample(NamedTuple):
    """Actions of a tanh-squashed Gaussian."""

    action: Tensor
    """(B, n) in (-1, 1)"""
    log_prob: Tensor
    """(B,)"""
    mean: Tensor
    """(B, n) before tanh"""


def sample(actor: Params, obs: Tensor, noise: Tensor, dtype: torch.dtype = torch.float32) -> ActionSample:
    """Reparameterized actions for features (B, d) with standard normal noise (B, n) (SAC, appendix C)."""
    mean, log_std = gaussian(actor, obs, dtype)
    before = mean + log_std.exp() * noise
    # Note: log(1 - tanh(u)^2), written so that it is exact for large u.
    log_slope = 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
    log_prob = -0.5 * noise * noise - log_std - 0.5 * math.log(2 * math.pi) - log_slope
    return ActionSample(torch.tanh(before), log_prob.sum(-1), mean)
