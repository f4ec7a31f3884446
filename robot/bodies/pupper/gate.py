"""What the safety gate must know of a Pupper: its codec and gains, how it homes, and where it then lies."""

import msgspec

from leash_robot.robot.bodies.pupper.codec import BOOT, NAME, PupperSettings
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.safety.config import REST_SLACK, gate_config
from leash_robot.robot.safety.messages import GateConfig
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

KNEE_REST = (-2.95, -2.6)
"""Where knees end that have homed [rad]."""


def pupper_gate(spec: Spec, port: str, calibration: Calibration) -> GateConfig:
    """What the gate must know, in the firmware's own angles."""
    gains = spec.gains
    settings = PupperSettings(gains.kp, gains.kd, gains.max_current)
    config = gate_config(spec, port, calibration, NAME, rest_bounds(spec))
    return msgspec.structs.replace(config, settings=msgspec.structs.asdict(settings), boot=BOOT)


def rest_bounds(spec: Spec) -> tuple[Array, Array]:
    """The smallest and largest angles (n,) at which a joint lies after homing [rad]."""
    knees = [name.endswith("knee") for name in spec.names]
    lower, upper = spec.rest - REST_SLACK, spec.rest + REST_SLACK
    lower[knees], upper[knees] = KNEE_REST
    return lower, upper
