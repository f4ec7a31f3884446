"""An ensemble of small convolutional networks with spatial softmax, its members side by side as groups of channels."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from leash_robot.policies.image_observation import PixelsConfig

STRIDES = (2, 2, 2, 1)
NORMED = 3
"""Convolutions that are followed by GroupNorm and a SiLU; the last one makes the maps of the spatial softmax."""
FOUND = 3
"""Numbers that each channel of the last convolution tells: across, down, and how much of what it looks for is there."""
NORM_GROUPS = 2
"""Groups that a member's channels are normalised in."""
HEAD_SCALE = 0.1
"""The last layer begins small, so that an untrained policy asks for nearly nothing."""


class Convnet(nn.Module):
    """Members m: pictures (b, 3, h, w) in -0.5..0.5 and states (b, s) to commands (m, b, 3) in units of the scale."""

    def __init__(self, config: PixelsConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.members = config.members
        self._made = nn.ParameterDict()
        for name, shape in shapes(config).items():
            self._made[name] = nn.Parameter(_initial(name, shape, generator))
        self._made["weight_1"].data *= HEAD_SCALE

    def forward(self, pictures: Tensor, states: Tensor) -> Tensor:
        """Every member's command."""
        found = self._found(pictures.contiguous(memory_format=torch.channels_last))
        seen = torch.cat([found, states.expand(self.members, *states.shape)], dim=-1)
        hidden = functional.silu(torch.baddbmm(self._made["bias_0"], seen, self._made["weight_0"]))
        return torch.baddbmm(self._made["bias_1"], hidden, self._made["weight_1"])

    def _found(self, x: Tensor) -> Tensor:
        """Where each channel of each member looks, -1..1 (Finn et al. 2016), and what it finds there: (m, b, 3 c).

        Note: the place alone does not tell a picture that shows the line from one that does not.
        """
        for layer, stride in enumerate(STRIDES):
            kernel = self._made[f"kernel_{layer}"]
            groups = self.members if layer else 1
            x = functional.conv2d(x, kernel, self._made[f"offset_{layer}"], stride, kernel.shape[-1] // 2, 1, groups)
            if layer < NORMED:
                gain, shift = self._made[f"gain_{layer}"], self._made[f"shift_{layer}"]
                x = functional.silu(functional.group_norm(x, NORM_GROUPS * self.members, gain, shift))
        batch, channels, height, width = x.shape
        heat = (x * self._made["heat"].exp()).flatten(2).softmax(dim=-1).view(batch, channels, height, width)
        there = torch.tanh((heat * x).sum(dim=(2, 3)))
        across = (heat.sum(dim=2) * torch.linspace(-1, 1, width)).sum(dim=-1)
        down = (heat.sum(dim=3) * torch.linspace(-1, 1, height)).sum(dim=-1)
        return torch.stack([across, down, there], dim=-1).view(batch, self.members, -1).transpose(0, 1)

    def arrays(self) -> dict[str, Tensor]:
        """The weights by name, detached copies."""
        return {name: value.detach().clone() for name, value in self._made.items()}

    def load(self, arrays: dict[str, Tensor]) -> None:
        """Adopt weights of exactly these names and shapes."""
        with torch.no_grad():
            for name, value in self._made.items():
                value.copy_(arrays[name])


def shapes(config: PixelsConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a `Convnet`."""
    members, made, before = config.members, dict[str, tuple[int, ...]](), 3
    for layer, channels in enumerate(config.channels):
        size = 3 if layer else 5
        made[f"kernel_{layer}"] = (members * channels, before, size, size)
        made[f"offset_{layer}"] = (members * channels,)
        if layer < NORMED:
            made[f"gain_{layer}"] = made[f"shift_{layer}"] = (members * channels,)
        before = channels
    made["heat"] = (members * before, 1, 1)
    made["weight_0"] = (members, FOUND * before + config.state_width, config.hidden)
    made["bias_0"] = (members, 1, config.hidden)
    made["weight_1"] = (members, config.hidden, 3)
    made["bias_1"] = (members, 1, 3)
    return made


def _initial(name: str, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
    """Uniform weights of variance 1/(3 inputs), as torch's own layers have; gains of one, the rest zero."""
    if name.startswith(("kernel", "weight")):
        inputs = math.prod(shape[1:]) if name.startswith("kernel") else shape[1]
        return (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(inputs)
    return torch.ones(shape) if name.startswith("gain") else torch.zeros(shape)
