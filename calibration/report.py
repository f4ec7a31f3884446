"""A calibration as flat facts for people, and what differs between two of them."""

from typing import Any

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import Spec


def facts(calibration: Calibration, spec: Spec) -> dict[str, Any]:
    """Every fact by its name; angles in degrees."""
    degrees = np.degrees(calibration.joint_offset).round(3).tolist()
    return {
        "version": calibration.version,
        "hash": calibration.hash,
        "date": str(calibration.date),
        **{f"{name} zero deg": value for name, value in zip(spec.names, degrees, strict=True)},
        "reversed joints": [name for name, sign in zip(spec.names, calibration.joint_sign, strict=True) if sign < 0],
        "gyro bias rad/s": list(calibration.gyro_bias),
        "imu mount": [list(row) for row in calibration.imu_mount],
        **{f"motor {name}": [e.value, e.sigma] for name, e in calibration.motors.items()},
        **{f"delay {name}": [e.value, e.sigma] for name, e in calibration.latency.items()},
        **{f"camera {name} fx, fy": [camera.fx, camera.fy] for name, camera in calibration.cameras.items()},
        **{f"residual {name}": value for name, value in calibration.residuals.items()},
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """What is not the same in both: [before, after] by name."""
    pairs = {name: [before.get(name), after.get(name)] for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
