"""What one draw of a grid is: a machine on a floor, the pushes it gets, and the velocity it shall walk at."""

from typing import NamedTuple

import numpy as np

from leash_robot.launch.evaluation.options import Commands
from leash_robot.robot.types import Array
from leash_robot.robot.velocity_command import Command
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import RANGES, Ranges, draw, draw_push, randomized


class Case(NamedTuple):
    """One draw."""

    number: int
    dynamics: Dynamics
    command: Command
    push_speed: float
    """[m/s]"""
    push_interval: float
    """Mean time between two pushes [s]."""
    seed: int
    """Draws noise, bumps and the times of the pushes."""


def case(ranges: Ranges, commands: Commands, seed: int, index: int) -> Case:
    """The draw of this number: always the same for one seed, and independent of the other draws."""
    machine, asked, chance = np.random.default_rng([seed, index, 0x6121D]).spawn(3)
    return Case(
        number=index,
        dynamics=draw(ranges, machine),
        command=draw_command(commands, asked),
        push_speed=draw_push(ranges, machine),
        push_interval=ranges.push_interval,
        seed=int(chance.integers(2**31)),
    )


def draw_command(commands: Commands, rng: np.random.Generator) -> Command:
    """A body velocity to follow."""
    vx, vy, yaw = (float(rng.uniform(*entry)) for entry in (commands.vx, commands.vy, commands.yaw))
    if rng.random() < commands.ahead:
        low, high = commands.vx
        return float(rng.uniform(max(low, high / 3), high)), 0.0, 0.0
    return vx, vy, yaw


def axes(drawn: Case, ranges: Ranges) -> dict[str, float]:
    """What differs between the draws of a grid, each as one number with its unit in the name."""
    found: dict[str, float] = {}
    for name in randomized(ranges):
        found |= _numbers(name, drawn)
    vx, vy, yaw = drawn.command
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


def _numbers(name: str, drawn: Case) -> dict[str, float]:
    dynamics = drawn.dynamics
    if name == "push_speed":
        return {"push m/s": drawn.push_speed}
    if name == "noise":
        return {"noise x": dynamics.noise.gyro / Dynamics().noise.gyro}
    if name in RANGES:
        return {f"{name.replace('_', ' ')} {UNITS.get(name, 'x')}".strip(): float(getattr(dynamics, name))}
    if name == "com":
        return {f"com {axis} mm": 1e3 * shift for axis, shift in zip("xyz", dynamics.com_shift, strict=True)}
    if name == "torque_noise":
        return {"torque noise Nm": dynamics.torque_noise}
    return {SPREADS[name]: _rms(np.array(getattr(dynamics, name)))}


SPREADS = {
    "joint_zero_deg": "joint zeros deg rms",
    "gravity_bias": "gravity bias rms",
    "gyro_bias": "gyro bias rad/s rms",
    "torque_offset": "torque offset Nm rms",
}


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
