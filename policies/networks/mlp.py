"""An ensemble of LayerNorm MLPs, its members stacked so that each layer is one batched matrix product."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from leash_robot.policies.manifest import NetworkConfig
from leash_robot.policies.networks.shapes import shapes

HEAD_SCALE = 0.1
"""The last layer begins small, so that an untrained policy asks for nearly the stand pose."""


class Ensemble(nn.Module):
    """Members m, inputs i, outputs o: (batch, i), or (m, batch, i) for inputs of their own, to (m, batch, o)."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.members = config.members
        self.layers = len(config.hidden)
        self._made = nn.ParameterDict()
        for name, shape in shapes(config, inputs, outputs).items():
            self._made[name] = nn.Parameter(initial_weight(name, shape, generator))
        self._made[f"weight_{self.layers}"].data *= HEAD_SCALE

    def forward(self, x: Tensor) -> Tensor:
        """Every member's output."""
        if x.dim() == 2:
            x = x.expand(self.members, *x.shape)
        for layer in range(self.layers):
            x = self._linear(x, layer)
            x = functional.layer_norm(x, x.shape[-1:]) * self._made[f"gain_{layer}"] + self._made[f"shift_{layer}"]
            x = functional.silu(x)
        return self._linear(x, self.layers)

    def _linear(self, x: Tensor, layer: int) -> Tensor:
        return torch.baddbmm(self._made[f"bias_{layer}"], x, self._made[f"weight_{layer}"])

    def arrays(self) -> dict[str, Tensor]:
        """The weights by name, detached copies."""
        return {name: value.detach().clone() for name, value in self._made.items()}

    def load(self, arrays: dict[str, Tensor]) -> None:
        """Adopt weights of exactly these names and shapes."""
        with torch.no_grad():
            for name, value in self._made.items():
                value.copy_(arrays[name])


def initial_weight(name: str, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
    """Uniform weights of variance 1/(3 inputs) (He et al. 2015, gain 1/sqrt(3)), as torch's own layers have."""
    if name.startswith("weight"):
        bound = 1 / math.sqrt(shape[1])
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound
    return torch.ones(shape) if name.startswith("gain") else torch.zeros(shape)
