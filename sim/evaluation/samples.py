"""One randomization sample: a machine on a floor, the pushes it gets, and the velocity that is commanded."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from leash_robot.robot.locomotion.velocity_command import Command, Forward, Sideways, Turn
from leash_robot.robot.types import Array
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import RANGES, Ranges, draw, draw_push, randomized


@dataclass(frozen=True)
class CommandRanges:
    """The body velocities that are commanded, one an episode, each entry uniform in its range."""

    vx: tuple[Forward, Forward] = (-0.3, 0.5)
    """Forward m/s."""
    vy: tuple[Sideways, Sideways] = (-0.15, 0.15)
    """To the left m/s."""
    yaw: tuple[Turn, Turn] = (-1.0, 1.0)
    """Turn rad/s."""
    ahead: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Part of the episodes that ask for straight ahead only, from a third of the highest vx up to it."""


class RandomizationSample(NamedTuple):
    """Everything that differs between two episodes."""

    number: int
    dynamics: Dynamics
    command: Command
    push_speed: float
    """[m/s]"""
    push_interval: float
    """Mean time between two pushes [s]."""
    seed: int
    """Draws noise, bumps and the times of the pushes."""


def draw_sample(ranges: Ranges, commands: CommandRanges, seed: int, index: int) -> RandomizationSample:
    """The sample of this number: always the same for one seed, and independent of the other samples."""
    machine_rng, command_rng, episode_rng = np.random.default_rng([seed, index, 0x6121D]).spawn(3)
    return RandomizationSample(
        number=index,
        dynamics=draw(ranges, machine_rng),
        command=draw_command(commands, command_rng),
        push_speed=draw_push(ranges, machine_rng),
        push_interval=ranges.push_interval,
        seed=int(episode_rng.integers(2**31)),
    )


def draw_command(commands: CommandRanges, rng: np.random.Generator) -> Command:
    """A body velocity to follow."""
    vx, vy, yaw = (float(rng.uniform(*entry)) for entry in (commands.vx, commands.vy, commands.yaw))
    if rng.random() < commands.ahead:
        low, high = commands.vx
        return float(rng.uniform(max(low, high / 3), high)), 0.0, 0.0
    return vx, vy, yaw


def axes(sample: RandomizationSample, ranges: Ranges) -> dict[str, float]:
    """What differs between samples of these ranges, each as one number with its unit in the name."""
    found: dict[str, float] = {}
    for name in randomized(ranges):
        found |= _numbers(name, sample)
    vx, vy, yaw = sample.command
    return found | {"command vx m/s": vx, "command vy m/s": vy, "command yaw rad/s": yaw}


UNITS = {
    "friction": "",
    "payload": "kg",
    "joint_friction": "Nm",
    "joint_damping": "Nm s/rad",
    "bumps": "m",
    "push_speed": "m/s",
    "action_latency_ms": "",
    "telemetry_latency_ms": "",
    "slope_deg": "",
}
"""Of the scalars; all others are factors."""
SPREADS = {
    "joint_zero_deg": "joint zeros deg rms",
    "gravity_bias": "gravity bias rms",
    "gyro_bias": "gyro bias rad/s rms",
    "torque_offset": "torque offset Nm rms",
}


def _numbers(name: str, sample: RandomizationSample) -> dict[str, float]:
    dynamics = sample.dynamics
    if name == "push_speed":
        return {"push m/s": sample.push_speed}
    if name == "noise":
        return {"noise x": dynamics.noise.gyro / Dynamics().noise.gyro}
    if name in RANGES:
        return {f"{name.replace('_', ' ')} {UNITS.get(name, 'x')}".strip(): float(getattr(dynamics, name))}
    if name == "com":
        return {f"com {axis} mm": 1e3 * shift for axis, shift in zip("xyz", dynamics.com_shift, strict=True)}
    if name == "torque_noise":
        return {"torque noise Nm": dynamics.torque_noise}
    return {SPREADS[name]: _rms(np.array(getattr(dynamics, name)))}


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
