"""What the gate must know of a robot: limits, gains and pose of its spec, in the machine's own angles."""

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.safety.messages import Config
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

REST_SLACK = 0.3
"""How far from its rest angle a joint may lie after homing [rad]; knees end between -2.95 and -2.6."""
KNEE_REST = (-2.95, -2.6)


def gate_config(spec: Spec, port: str, calibration: Calibration) -> Config:
    """What the gate must know, in the firmware's own angles."""
    knees = np.array([name.endswith("knee") for name in spec.names])
    rest_lower, rest_upper = spec.rest - REST_SLACK, spec.rest + REST_SLACK
    rest_lower[knees], rest_upper[knees] = KNEE_REST
    lower, upper = _between(calibration, spec.lower, spec.upper)
    rest_low, rest_high = _between(calibration, rest_lower, rest_upper)
    return Config(
        port=port,
        names=spec.names,
        lower=lower,
        upper=upper,
        step=tuple(spec.step.tolist()),
        rest_lower=rest_low,
        rest_upper=rest_high,
        kp=spec.gains.kp,
        kd=spec.gains.kd,
        max_current=spec.gains.max_current,
        tick=spec.period,
        serial=calibration.serial,
    )


def _between(calibration: Calibration, lower: Array, upper: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds (n,) in the machine's own angles; a joint that turns the other way swaps its two."""
    ends = np.stack([calibration.to_raw(lower), calibration.to_raw(upper)])
    return tuple(ends.min(axis=0).tolist()), tuple(ends.max(axis=0).tolist())
