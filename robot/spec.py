"""What a body is: joints, limits, gains, poses, rate, cameras. Read from YAML, typed, hashed; unknown keys refused."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import SpecError

Angle = Annotated[float, Meta(ge=-100, le=100)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Size = Annotated[int, Meta(ge=16, le=4096)]

LEG_JOINTS = tuple(
    f"{leg}_{joint}"
    for leg in ("front_right", "front_left", "back_right", "back_left")
    for joint in ("abduction", "hip", "knee")
)
"""What kinematics, simulators and the firmware take joints 0..11 of a legged body for."""


class Joint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One joint, in the body-axis convention of the spec's docs [rad]."""

    name: str
    lower: Angle
    """Smallest target that may be sent."""
    upper: Angle
    """Largest target that may be sent."""
    step: Positive
    """Largest change of the target from one tick to the next."""
    stand: Angle
    """Angle in the standing pose."""
    rest: Angle
    """Angle in the pose in which the robot lies after homing."""


class Gains(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The firmware's joint PD: current = kp (target - position) - kd velocity, clipped."""

    kp: Positive
    """[A/rad]"""
    kd: Annotated[float, Meta(ge=0, le=1e6)]
    """[A/(rad/s)]"""
    max_current: Annotated[float, Meta(gt=0, le=10)]
    """[A]; the stock firmware faults above 10."""

    @property
    def lag(self) -> float:
        """First-order lag of a joint behind its target, kd/kp, since the velocity reference is always zero [s]."""
        return self.kd / self.kp


class Legs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Geometry of four identical legs [m]; origin at the centre of the hip-pitch axes."""

    hip_x: Positive
    hip_y: Positive
    """Lateral distance of the abduction axis from the centre line."""
    offset: Positive
    """Net lateral distance from the abduction axis to the foot."""
    thigh: Positive
    shank: Positive
    foot_radius: Positive


class CameraSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera."""

    width: Size
    height: Size
    rate: Positive
    """Frames a second."""


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of what is commanded beside joints."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    unit: Annotated[str, Meta(max_length=16)] = ""
    limit: Positive = 1.0
    """Largest command, in both directions."""
    slew: Positive = 5.0
    """Largest change of the command a second."""


BODY_VELOCITY = (Axis("vx", "m/s", 0.4, 1.0), Axis("vy", "m/s", 0.15, 0.6), Axis("yaw rate", "rad/s", 1.0, 4.0))
"""What is commanded of a body whose spec does not say; limit and slew are those of a person who drives."""


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A body, as everyone must agree on it."""

    name: str
    rate: Positive
    """Ticks a second of the control loop."""
    joints: Annotated[tuple[Joint, ...], Meta(min_length=1, max_length=64)]
    gains: Gains
    legs: Legs | None = None
    cameras: dict[str, CameraSpec] = {}
    command: Annotated[tuple[Axis, ...], Meta(max_length=16)] | UnsetType = UNSET
    """What is commanded beside joints; the body's velocity where it is left out.

    Note: what is unset is not encoded, so that the hashes of specs without it are those that they had before.
    """

    @property
    def commanded(self) -> tuple[Axis, ...]:
        """(k,) what is commanded beside joints."""
        return BODY_VELOCITY if self.command is UNSET else self.command

    @property
    def period(self) -> float:
        """Length of a tick [s]."""
        return 1.0 / self.rate

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Joint names in joint order."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def lower(self) -> NDArray[np.float64]:
        """(n,) smallest targets [rad]."""
        return _frozen([joint.lower for joint in self.joints])

    @cached_property
    def upper(self) -> NDArray[np.float64]:
        """(n,) largest targets [rad]."""
        return _frozen([joint.upper for joint in self.joints])

    @cached_property
    def step(self) -> NDArray[np.float64]:
        """(n,) largest change of a target a tick [rad]."""
        return _frozen([joint.step for joint in self.joints])

    @cached_property
    def stand(self) -> NDArray[np.float64]:
        """(n,) the standing pose [rad]."""
        return _frozen([joint.stand for joint in self.joints])

    @cached_property
    def rest(self) -> NDArray[np.float64]:
        """(n,) the pose after homing [rad]."""
        return _frozen([joint.rest for joint in self.joints])

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that change whenever anything here does."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]


def load_spec(source: str | Path = "pupper_v2") -> Spec:
    """Read a spec by its built-in name or from a YAML file. Raises SpecError."""
    path = Path(source)
    if path.suffix not in {".yaml", ".yml"}:
        known = {file.stem: file for file in sorted(Path(__file__).parent.glob("bodies/*/*.yaml"))}
        if str(source) not in known:
            raise SpecError(f"no robot is called {str(source)!r}; known are {[*known]}, or give a .yaml file")
        path = known[str(source)]
    spec = read_yaml(path, Spec)
    _check(spec, path)
    return spec


def _check(spec: Spec, path: Path) -> None:
    if len(set(spec.names)) != len(spec.names):
        raise SpecError(f"{path}: joint names {list(spec.names)} are not unique")
    if spec.legs is not None and spec.names != LEG_JOINTS:
        odd = next((name for name in spec.names if name not in LEG_JOINTS), spec.names[0])
        raise SpecError(
            f"{path}: four legs have the joints {', '.join(LEG_JOINTS)} in this order; {odd!r} is out of it"
        )
    for joint in spec.joints:
        for name in ("stand", "rest"):
            value = getattr(joint, name)
            if not joint.lower <= value <= joint.upper:
                raise SpecError(f"{path}: {joint.name}.{name} = {value} is outside [{joint.lower}, {joint.upper}]")


def _frozen(values: list[float]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array
