"""What the gate must know of a robot: limits and pose of its spec, in the machine's own angles."""

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.safety.messages import GateConfig
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

REST_SLACK = 0.3
"""How far from its rest angle a joint may lie at rest [rad]."""


def gate_config(
    spec: Spec, port: str, calibration: Calibration, codec: str, rest: tuple[Array, Array] | None = None
) -> GateConfig:
    """A config without what only the body's package knows: settings of the `codec` (MODULE:CLASS), homing, retreat.

    `rest` are the smallest and largest joint angles (n,) at rest [rad], where they are not `REST_SLACK` about the pose.
    """
    lower, upper = _between(calibration, spec.lower, spec.upper)
    rest_lower, rest_upper = _between(calibration, *(rest or (spec.rest - REST_SLACK, spec.rest + REST_SLACK)))
    return GateConfig(
        port=port,
        codec=codec,
        names=spec.names,
        lower=lower,
        upper=upper,
        step=tuple(spec.step.tolist()),
        rest_lower=rest_lower,
        rest_upper=rest_upper,
        tick=spec.period,
        serial=calibration.serial,
    )


def _between(calibration: Calibration, lower: Array, upper: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds (n,) in the machine's own angles; a joint that turns the other way swaps its two."""
    ends = np.stack([calibration.to_raw(lower), calibration.to_raw(upper)])
    return tuple(ends.min(axis=0).tolist()), tuple(ends.max(axis=0).tolist())
