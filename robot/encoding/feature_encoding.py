"""The observation encoding: what a network sees, the same in training, on recordings and when deployed."""

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Array, Observation

Float32 = NDArray[np.float32]

MOVING = 0.01
"""A command whose entries are all smaller than this is a wish to stand, as for the scripted trot."""
RAMP = 0.6
"""How long after a start from standing the clock says that it is new [s]."""
PERIOD = 0.4
"""Of the clock, unless a config says otherwise: the scripted trot's [s]."""

GYRO, VELOCITY, COMMAND = 0.25, 0.05, np.array([2.0, 4.0, 0.8])
"""Constant scales that bring typical values to about one."""
LARGEST = 10.0
"""Entries are clipped to this size, which no plausible measurement reaches."""


class FeatureConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which quantities, and how much of the past. Part of every policy file."""

    gravity: bool = True
    gyro: bool = True
    joint_pos: bool = True
    """Joint angles around the stand pose."""
    joint_vel: bool = False
    actions: bool = False
    """The targets sent at the ticks before, around the stand pose."""
    command: bool = True
    clock: Annotated[float, Meta(ge=0, le=10)] = PERIOD
    """Period of a clock that starts when the command leaves zero, by default the trot's [s]; 0 is no clock."""
    frames: Annotated[int, Meta(ge=1, le=32)] = 3
    """Ticks of history, now included, of everything measured."""
    command_size: Annotated[int, Meta(ge=0, le=16)] = 3
    """How many entries a command has, as the spec says; three are a body velocity."""

    def __post_init__(self) -> None:
        if not self.frame_width(1) + self.context_width:
            raise ValueError("features: nothing is seen; choose at least one")

    @property
    def needs_imu(self) -> bool:
        """Whether a robot without an IMU cannot run this."""
        return self.gravity or self.gyro

    def width(self, joints: int) -> int:
        """Length of the feature vector for a body with so many joints."""
        return self.frames * self.frame_width(joints) + self.context_width

    def frame_width(self, joints: int) -> int:
        """Length of the part that is repeated for each tick of history."""
        return 3 * (self.gravity + self.gyro) + joints * (self.joint_pos + self.joint_vel + self.actions)

    @property
    def context_width(self) -> int:
        """Length of the part that has no history."""
        return self.command_size * self.command + 4 * (self.clock > 0)


def parts(config: FeatureConfig) -> list[str]:
    """The quantities that make up the feature vector, one after another."""
    names = ("gravity", "gyro", "joint_pos", "joint_vel", "actions")
    frame = [name for name in names if getattr(config, name)]
    return frame * config.frames + ["command"] * config.command + ["clock"] * (config.clock > 0)


def command_scale(size: int) -> Array:
    """(k,) the factors for a command: a body velocity has its own, anything else is taken as it is."""
    return COMMAND if size == len(COMMAND) else np.ones(size)


def layout(config: FeatureConfig, joints: int) -> tuple[list[str], list[float]]:
    """What each entry of the feature vector is, and the factor from its unit to the entry."""
    factors = {"gravity": [1.0] * 3, "gyro": [GYRO] * 3, "joint_pos": [1.0] * joints, "joint_vel": [VELOCITY] * joints}
    factors |= {"actions": [1.0] * joints, "command": command_scale(config.command_size).tolist(), "clock": [1.0] * 4}
    entries = [(name, factor) for name in parts(config) for factor in factors[name]]
    return [name for name, _ in entries], [factor for _, factor in entries]


class Encoder(Protocol):
    """Turns observations into network inputs."""

    @property
    def size(self) -> int:
        """Length of the vector."""
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...

    def sent(self, target: Array) -> None:
        """Note the joint target (n,) that answers the last observation [rad]."""
        ...

    def step(self, obs: Observation) -> Float32:
        """The vector (size,) now."""
        ...


class FeatureEncoder:
    """Fits `Encoder`: the features that a config names, of a running robot."""

    def __init__(self, config: FeatureConfig, stand: Array) -> None:
        self.config = config
        self.size = config.width(len(stand))
        self._stand = stand
        self._frames: list[Float32] = []
        self._clock = CommandClock()
        self._last = stand

    def reset(self) -> None:
        """Forget the past."""
        self._frames = []
        self._clock = CommandClock()
        self._last = self._stand

    def sent(self, target: Array) -> None:
        """Note the joint target (n,) that answers the last observation [rad]."""
        self._last = target

    def step(self, obs: Observation) -> Float32:
        """The features (size,) now. Raises PolicyError when something that is needed was not measured."""
        parts = _frame(self.config, obs.gravity, obs.gyro, obs.joint_pos - self._stand, obs.joint_vel)
        if self.config.actions:
            parts.append(self._last - self._stand)
        frame = np.concatenate([np.empty(0), *parts]).astype(np.float32)
        if not np.isfinite(frame).all():
            raise PolicyError(f"not measured: {', '.join(_missing(self.config, obs))}; the policy cannot do without")
        self._frames = [*(self._frames or [frame] * self.config.frames)[1:], frame]
        command = np.nan_to_num(obs.command)
        since = self._clock.since(obs.time + obs.age, command)
        return _clipped([*self._frames, _context(self.config, command, np.array(since))])


class CommandClock:
    """How long ago the command left zero."""

    def __init__(self) -> None:
        self._start = np.nan

    def since(self, now: float, command: Array) -> float:
        """Seconds since the command (k,) left zero; NaN while it is zero."""
        if (np.abs(command) < MOVING).all():
            self._start = np.nan
        elif np.isnan(self._start):
            self._start = now
        return float(now - self._start)


def of_episode(config: FeatureConfig, stand: Array, episode: Episode) -> Float32:
    """Features (T, size) of a recording, as `FeatureEncoder` gives them from a reset on; NaN where not measured.

    The command is the one that was decided to be followed; past actions are the targets that really went out.
    """
    parts = _frame(config, episode.gravity, episode.gyro, episode.joint_pos - stand, episode.joint_vel)
    if config.actions:
        parts.append(np.concatenate([stand[None], episode.sent.joint_pos[:-1]]) - stand)
    frames = np.concatenate([np.empty((len(episode.time), 0)), *parts], axis=-1).astype(np.float32)
    past = np.arange(len(frames))[:, None] + np.arange(1 - config.frames, 1)
    stacked = frames[np.maximum(past, 0)].reshape(len(frames), -1)
    command = np.nan_to_num(episode.wanted.command)
    clock = CommandClock()
    since = [clock.since(now, row) for now, row in zip(episode.time + episode.age, command, strict=True)]
    return _clipped([stacked, _context(config, command, np.array(since))])


def _frame(config: FeatureConfig, gravity: Array, gyro: Array, error: Array, velocity: Array) -> list[Array]:
    wanted: Sequence[tuple[bool, Array]] = (
        (config.gravity, gravity),
        (config.gyro, gyro * GYRO),
        (config.joint_pos, error),
        (config.joint_vel, velocity * VELOCITY),
    )
    return [part for use, part in wanted if use]


def _context(config: FeatureConfig, command: Array, since: Array) -> Float32:
    """Command (..., k) and clock (..., 4): sine and cosine, whether it runs, and how new it is."""
    parts = [np.empty((*since.shape, 0))]
    if config.command:
        parts.append(command * command_scale(config.command_size))
    if config.clock > 0:
        runs = ~np.isnan(since)
        angle = np.nan_to_num(2 * np.pi * since / config.clock)
        new = np.clip(1 - np.nan_to_num(since) / RAMP, 0, 1)
        parts.append(np.stack([runs * np.sin(angle), runs * np.cos(angle), 1.0 * runs, runs * new], axis=-1))
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _clipped(parts: Sequence[Float32]) -> Float32:
    """The parts (..., k) one after another, every entry within LARGEST."""
    joined: Float32 = np.concatenate(parts, axis=-1).clip(-LARGEST, LARGEST)
    return joined


def _missing(config: FeatureConfig, obs: Observation) -> list[str]:
    names = [name for name in ("gravity", "gyro", "joint_pos", "joint_vel") if getattr(config, name)]
    return [name for name in names if not np.isfinite(getattr(obs, name)).all()]
