"""What an image policy sees: one small picture, how the body feels, and what was asked for last. Needs no torch."""

from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.encoding.feature_encoding import GYRO, Float32
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Array, Observation

Channels = Annotated[int, Meta(ge=2, le=256, multiple_of=2)]
Scale = Annotated[float, Meta(gt=0, le=10)]
Seconds = Annotated[float, Meta(gt=0, le=60)]

MIRROR_BODY = np.array([1, -1, 1, -1, 1, -1], np.float32)
"""Signs of gravity (3,) and gyro (3,) in a mirror whose plane is the body's xz."""
MIRROR_COMMAND = np.array([1, -1, -1], np.float32)
"""Signs of vx, vy and yaw rate in that mirror."""


class PixelsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy that looks at a camera and asks for a body velocity. Part of its policy file."""

    camera: Annotated[str, Meta(min_length=1, max_length=32)] = "head"
    height: Annotated[int, Meta(ge=32, le=256)] = 72
    """Of the picture that the network sees [pixels]."""
    width: Annotated[int, Meta(ge=32, le=256)] = 96
    body: bool = True
    """Whether gravity and the gyro are seen, too; they need an IMU."""
    commands: Annotated[int, Meta(ge=0, le=16)] = 2
    """How many of its last commands it remembers one by one."""
    averages: tuple[Seconds, ...] = (0.3, 1.2)
    """Time constants of running means of all its commands, which it remembers as well [s]: where it was turning to, for
    when the picture does not show why."""
    scale: tuple[Scale, Scale, Scale] = (0.25, 0.1, 0.8)
    """What counts as one: vx, vy [m/s], yaw rate [rad/s]."""
    members: Annotated[int, Meta(ge=1, le=16)] = 5
    """Networks whose disagreement is the risk."""
    channels: tuple[Channels, Channels, Channels, Channels] = (8, 16, 16, 16)
    """Of the four convolutions, for each member."""
    hidden: Annotated[int, Meta(ge=1, le=1024)] = 64

    @property
    def state_width(self) -> int:
        """Numbers that are seen beside the picture."""
        return 6 * self.body + 3 * self.remembered

    @property
    def remembered(self) -> int:
        """How many body velocities its memory holds."""
        return self.commands + len(self.averages)

    @property
    def mirror(self) -> Float32:
        """(state_width,) signs of those numbers in a mirror."""
        return np.concatenate([MIRROR_BODY if self.body else MIRROR_BODY[:0], np.tile(MIRROR_COMMAND, self.remembered)])


class ImageHistory:
    """What a policy remembers of its commands."""

    def __init__(self, config: PixelsConfig, period: float) -> None:
        """`period` is the time between two commands [s]."""
        self._count = config.commands
        self._keep = np.exp(-period / np.array(config.averages).reshape(-1, 1))
        self.reset()

    def reset(self) -> None:
        """Remember none."""
        self._last: Array = np.zeros((self._count, 3))
        self._means: Array = np.zeros((len(self._keep), 3))

    def add(self, command: Array) -> None:
        """Remember a command (3,), too."""
        self._last = np.concatenate([self._last, command[None]])[1:]
        self._means = self._keep * self._means + (1 - self._keep) * command

    @property
    def rows(self) -> Array:
        """(remembered, 3) the last commands, oldest first, and the running means."""
        return np.concatenate([self._last, self._means])


def picture(config: PixelsConfig, image: Image) -> Pixels:
    """(height, width, 3) RGB as the network wants it."""
    if image.rgb.shape[:2] == (config.height, config.width):
        return image.rgb
    return np.asarray(cv2.resize(image.rgb, (config.width, config.height), interpolation=cv2.INTER_AREA), np.uint8)


def state(config: PixelsConfig, gravity: Array, gyro: Array, past: Array) -> Float32:
    """(..., state_width) from gravity, gyro (..., 3) and what is remembered (..., remembered, 3) (`ImageHistory`)."""
    past = (past / config.scale).reshape(*past.shape[:-2], -1)
    parts = [gravity, gyro * GYRO, past] if config.body else [past]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def look(config: PixelsConfig, obs: Observation) -> Image:
    """The frame that the policy needs. Raises PolicyError when there is none, or the body is not felt."""
    if config.camera not in obs.images:
        raise PolicyError(f"the policy looks at camera {config.camera!r}, and there is no frame of it; add --camera on")
    if config.body and not np.isfinite([obs.gravity, obs.gyro]).all():
        raise PolicyError("not measured: gravity and gyro; the policy cannot do without an IMU")
    return obs.images[config.camera]
