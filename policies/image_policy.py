"""An image policy at work: a camera frame in, the ensemble's mean as a body velocity, its disagreement as risk."""

import numpy as np
import torch
from numpy.typing import NDArray

from leash_robot.policies.image_observation import ImageHistory, PixelsConfig, look, picture, state
from leash_robot.policies.manifest import Manifest
from leash_robot.policies.networks.cnn import Convnet
from leash_robot.policies.policy_file import Weights
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Action, Array, Observation

Float32 = NDArray[np.float32]


class Pixels:
    """Fits `Policy`, as the upper level of a `Steered`: its joint target stays at the stand pose."""

    def __init__(self, manifest: Manifest, network: Convnet) -> None:
        self.manifest = manifest
        self.config = config_of(manifest)
        self._network = network
        self._stand = np.array(manifest.stand)
        self._scale = np.array(self.config.scale)
        self._past = ImageHistory(self.config, 1.0 / manifest.rate)

    def reset(self) -> None:
        """Forget the past."""
        self._past.reset()

    def act(self, obs: Observation) -> Action:
        """The body velocity now. Raises PolicyError when the camera or the IMU shows nothing."""
        small = picture(self.config, look(self.config, obs))
        members = self._commands(small, state(self.config, obs.gravity, obs.gyro, self._past.rows))
        command: Array = members.mean(axis=0).clip(-1.5, 1.5) * self._scale
        self._past.add(command)
        spread = disagreement(members)
        return Action(self._stand.copy(), command, risk=float(spread / (spread + self.manifest.risk_scale)))

    def _commands(self, small: NDArray[np.uint8], felt: Float32) -> Array:
        """Every member's command (m, 3) in units of the scale."""
        with torch.inference_mode():
            made = self._network(centred(torch.from_numpy(small[None].copy())), torch.from_numpy(felt[None]))
        commands: Array = made[:, 0].numpy().astype(np.float64)
        return commands


def centred(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (b, h, w, 3) 0..255 as the network wants them: (b, 3, h, w), -0.5..0.5."""
    return pictures.permute(0, 3, 1, 2).to(torch.float32) / 255 - 0.5


def disagreement(members: Array) -> Array:
    """How far commands (m, ..., 3) lie apart: root mean variance (...,), in units of the scale."""
    spread: Array = np.sqrt(members.var(axis=0).mean(axis=-1))
    return spread


def config_of(manifest: Manifest) -> PixelsConfig:
    """What the policy sees. Raises PolicyError for one that sees no pixels."""
    if manifest.pixels is None:
        raise PolicyError(f"a {manifest.kind} policy sees no pixels")
    return manifest.pixels


def network_of(manifest: Manifest, weights: Weights) -> Convnet:
    """The network with these weights, ready to run on one thread."""
    torch.set_num_threads(1)
    network = Convnet(config_of(manifest))
    network.load({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()
