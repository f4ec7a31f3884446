"""Draws of machines and floors: a table of ranges in, `Dynamics` out."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import SpecError
from leash_robot.robot.types import Array
from leash_robot.sim.randomization.dynamics import Dynamics, Motor, SensorNoise

End = Annotated[float, Meta(ge=-1000, le=1000)]
Range = tuple[End, End]
Amount = Annotated[float, Meta(ge=0, le=1000)]


class Ranges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Uniform ranges (low, high) of what differs between machines; names and units as in `Dynamics`.

    These defaults are a usual spread. In a file, what is not named is not randomized: see `load_ranges`.
    """

    mass: Range = (0.8, 1.2)
    inertia: Range = (0.8, 1.2)
    payload: Range = (0.0, 0.15)
    com: Amount = 0.015
    """Largest shift of the body's centre of mass along each axis, either way [m]."""
    friction: Range = (0.4, 1.2)
    motor_strength: Range = (0.8, 1.2)
    kp: Range = (0.8, 1.2)
    kd: Range = (0.8, 1.2)
    joint_friction: Range = (0.0, 0.04)
    joint_damping: Range = (0.0, 0.01)
    rotor_inertia: Range = (0.7, 1.5)
    action_latency_ms: Range = (0.0, 30.0)
    telemetry_latency_ms: Range = (2.0, 15.0)
    joint_zero_deg: Amount = 3.0
    """Largest error of a joint's zero, either way [deg]."""
    gravity_bias: Amount = 0.03
    gyro_bias: Amount = 0.05
    slope_deg: Range = (0.0, 0.0)
    noise: tuple[Amount, Amount] = (0.5, 2.0)
    """Scales the nominal measurement noise."""
    bumps: Range = (0.0, 0.0)
    torque_noise: Amount = 0.0
    """In half of the draws: largest torque on each joint, drawn anew at every physics step [N m]."""
    torque_offset: Amount = 0.0
    """In the other half: largest constant torque on each joint, either way [N m]."""
    push_speed: tuple[Amount, Amount] = (0.0, 0.0)
    """Speed that a push adds to the body, the same for all pushes of a draw [m/s]."""
    push_interval: Annotated[float, Meta(ge=0.1, le=1e6)] = 4.0
    """Mean time between two pushes [s]."""
    without: dict[str, Range] = {}
    """The middle of a range that is not drawn, by name; of an amount either way, the sizes that are not."""

    def __post_init__(self) -> None:
        _check_middles(self)
        for name in RANGES:
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name}: [{low}, {high}] begins above its end; give the smaller one first")
        for end in (0, 1):
            msgspec.convert(_extreme(self, end), Dynamics)


SCALARS = (
    "mass",
    "inertia",
    "payload",
    "friction",
    "motor_strength",
    "kp",
    "kd",
    "joint_friction",
    "joint_damping",
    "rotor_inertia",
    "action_latency_ms",
    "telemetry_latency_ms",
    "slope_deg",
)
"""Fields that are drawn as they stand."""
RANGES = (*SCALARS, "noise", "bumps", "push_speed")
"""All fields that have a low and a high end."""
AMOUNTS = ("com", "joint_zero_deg", "gravity_bias", "gyro_bias", "torque_noise", "torque_offset")
"""All fields that are a largest amount either way."""


HOLLOW = (*SCALARS, "com", "joint_zero_deg", "gravity_bias", "gyro_bias")
"""What may have a middle that is not drawn."""


def _check_middles(ranges: Ranges) -> None:
    """Raise ValueError for a middle that is not within its range."""
    for name, (low, high) in ranges.without.items():
        if name not in HOLLOW:
            raise ValueError(f"without: {name!r} has no middle to leave out; those that may are {', '.join(HOLLOW)}")
        bounds = getattr(ranges, name)
        least, most = (0.0, bounds) if isinstance(bounds, float) else bounds
        if not least <= low <= high <= most or (least == low and high == most):
            raise ValueError(f"without: {name}: [{low}, {high}] must lie within [{least}, {most}] and leave some of it")


def _extreme(ranges: Ranges, end: int) -> dict[str, Any]:
    """What a draw could be at one end of all ranges."""
    scalars = {name: getattr(ranges, name)[end] for name in (*SCALARS, "bumps")}
    noise = msgspec.structs.asdict(SensorNoise())
    return {
        **scalars,
        "noise": {name: ranges.noise[end] * value for name, value in noise.items()},
        "com_shift": (ranges.com,) * 3,
        "joint_zero_deg": (ranges.joint_zero_deg,) * 12,
        "gravity_bias": (ranges.gravity_bias,) * 3,
        "gyro_bias": (ranges.gyro_bias,) * 3,
        "torque_noise": ranges.torque_noise,
        "torque_offset": (ranges.torque_offset,) * 12,
    }


def _fixed() -> Ranges:
    nominal = Dynamics()
    fixed: dict[str, Any] = {name: (getattr(nominal, name),) * 2 for name in (*SCALARS, "bumps")}
    fixed |= dict.fromkeys(AMOUNTS, 0.0)
    return Ranges(**fixed, noise=(1.0, 1.0))


FIXED = _fixed()
"""Every draw is the nominal machine."""


def load_ranges(source: str | Path, folder: Path | None = None) -> Ranges:
    """Read a table of ranges from a YAML file, or by its name from a folder of such files.

    What the table does not name keeps its nominal value. Raises SpecError for unknown keys, ends in the wrong order,
    or ends that no machine can have.
    """
    path = ranges_file(source, folder)
    return read_yaml(path, Ranges, lambda given: msgspec.structs.asdict(FIXED) | given)


def ranges_file(source: str | Path, folder: Path | None = None) -> Path:
    """The file that a name or a path stands for. Raises SpecError."""
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or folder is None:
        return path
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if str(source) not in known:
        raise SpecError(f"no table of ranges is called {str(source)!r}; known are {', '.join(known)}, or give a .yaml")
    return folder / f"{source}.yaml"


def randomized(ranges: Ranges) -> tuple[str, ...]:
    """The names of what really differs between two draws."""
    wide = [name for name in RANGES if getattr(ranges, name)[0] < getattr(ranges, name)[1]]
    return (*wide, *(name for name in AMOUNTS if getattr(ranges, name) > 0.0))


def draw(ranges: Ranges, rng: np.random.Generator) -> Dynamics:
    """Draw one machine on one floor."""
    values: dict[str, Any] = {name: _scalar(name, ranges, rng) for name in SCALARS}
    scale = float(rng.uniform(*ranges.noise))
    nominal = SensorNoise()
    return Dynamics(
        motor=Motor(),
        noise=SensorNoise(*(scale * getattr(nominal, name) for name in SensorNoise.__struct_fields__)),
        com_shift=_vector("com", ranges, rng),
        joint_zero_deg=tuple(_either_way("joint_zero_deg", 12, ranges, rng).tolist()),
        gravity_bias=_vector("gravity_bias", ranges, rng),
        gyro_bias=_vector("gyro_bias", ranges, rng),
        # Note: from a stream of its own, so that what is drawn elsewhere with `rng` does not depend on it.
        **values,
        **_disturbed(ranges, rng.spawn(1)[0]),
    )


def _disturbed(ranges: Ranges, rng: np.random.Generator) -> dict[str, Any]:
    """Bumps, and torques that stand for all that no table has (Campanaro et al. 2022: either kind, half and half)."""
    bumps, noisy = float(rng.uniform(*ranges.bumps)), rng.random() < 0.5
    offset = 0.0 if noisy else ranges.torque_offset
    return {
        "bumps": bumps,
        "torque_noise": ranges.torque_noise if noisy else 0.0,
        "torque_offset": tuple(rng.uniform(-offset, offset, 12).tolist()),
    }


def draw_push(ranges: Ranges, rng: np.random.Generator) -> float:
    """Draw how fast the pushes of one episode are [m/s]."""
    return float(rng.spawn(1)[0].uniform(*ranges.push_speed))


def _scalar(name: str, ranges: Ranges, rng: np.random.Generator) -> float:
    """One number of a range; where its middle is left out, from either side of it as often."""
    low, high = getattr(ranges, name)
    if name not in ranges.without:
        return float(rng.uniform(low, high))
    before, after = ranges.without[name]
    sides = [(end, begin) for end, begin in ((before, low), (after, high)) if end != begin]
    at = float(rng.uniform(0.0, len(sides)))
    end, begin = sides[min(int(at), len(sides) - 1)]
    # Note: counted from the far end, so that the edge of the middle itself is never drawn.
    return float(begin + (at % 1.0) * (end - begin))


def _either_way(name: str, count: int, ranges: Ranges, rng: np.random.Generator) -> Array:
    """(count,) numbers up to an amount either way."""
    largest, smallest = getattr(ranges, name), ranges.without.get(name, (0.0, 0.0))[1]
    if smallest == 0.0:
        return rng.uniform(-largest, largest, count)
    at: Array = rng.uniform(-1.0, 1.0, count)
    drawn: Array = np.where(at < 0.0, -1.0, 1.0) * (largest - np.abs(at) * (largest - smallest))
    return drawn


def _vector(name: str, ranges: Ranges, rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = _either_way(name, 3, ranges, rng).tolist()
    return x, y, z
