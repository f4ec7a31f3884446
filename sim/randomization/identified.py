"""From a calibration to the simulator's own files: the nominal model of this machine, and what to draw around it."""

from pathlib import Path

import msgspec

from leash_robot.robot.calibration import Calibration, CalibrationEstimate
from leash_robot.robot.config.yaml_text import dump_yaml
from leash_robot.robot.errors import CalibrationError
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics
from leash_robot.sim.randomization.sampling import Ranges

MOTORS = ("kp", "kd", "motor_strength", "joint_friction", "rotor_inertia")
SURE = 3.0
"""Ranges reach so many standard deviations either way,"""
LEAST = 0.05
"""but at least this share: other days, other temperatures."""
BACK = 0.5
"""Share of the round trip that is taken for the way back: over the line the two cannot be told apart."""
LONGEST_AGE = 45.0
"""The simulator's states are younger than a tick [ms]."""
CURRENT_LOOP = 2.0
"""The simulator's motor has no current loop of its own [ms]."""


def dynamics_of(calibration: Calibration) -> Dynamics:
    """The machine in the simulator. Raises CalibrationError where its motors have not been identified."""
    if not calibration.motors:
        raise CalibrationError(
            f"the motors of {calibration.machine} ({calibration.hash}) are not identified; `leash calibrate motors`"
        )
    motors = {name: calibration.motors[name].value for name in MOTORS}
    action, telemetry = delays(calibration)
    found = motors | {"action_latency_ms": action, "telemetry_latency_ms": telemetry}
    return msgspec.structs.replace(NOMINAL, **found)


def delays(calibration: Calibration) -> tuple[float, float]:
    """From `send` to the motors, and age of what `observe` returns [ms]."""
    trip, age = (calibration.latency[name].value for name in ("round_trip_ms", "state_age_ms"))
    back = min(BACK * trip, LONGEST_AGE - age)
    return round(trip - back + CURRENT_LOOP, 3), round(back + age, 3)


def ranges_of(calibration: Calibration) -> Ranges:
    """The usual draws, with what was identified in the middle of its range. Raises CalibrationError."""
    nominal = dynamics_of(calibration)
    found = {name: _around(calibration.motors[name]) for name in MOTORS}
    spread = max(3.0, SURE * calibration.latency["round_trip_ms"].sigma)
    for name in ("action_latency_ms", "telemetry_latency_ms"):
        value = getattr(nominal, name)
        found[name] = (max(0.0, value - spread), min(value + spread, 49.0) if name[0] == "t" else value + spread)
    return msgspec.structs.replace(Ranges(), joint_zero_deg=0.5, gravity_bias=0.01, gyro_bias=0.005, **found)


def _around(estimate: CalibrationEstimate) -> tuple[float, float]:
    half = max(SURE * estimate.sigma, LEAST * estimate.value)
    return round(max(0.0, estimate.value - half), 6), round(estimate.value + half, 6)


def write_dynamics(calibration: Calibration, path: Path) -> list[Path]:
    """Write both files beside a calibration file; returns their paths. Raises CalibrationError."""
    files: dict[Path, Dynamics | Ranges] = {
        path.with_suffix(".dynamics.yaml"): dynamics_of(calibration),
        path.with_suffix(".ranges.yaml"): ranges_of(calibration),
    }
    for target, content in files.items():
        head = f"# {calibration.machine}, calibration {calibration.hash}\n"
        try:
            target.write_text(head + dump_yaml(msgspec.to_builtins(content)), encoding="utf-8")
        except OSError as error:
            raise CalibrationError(f"cannot write {target}: {error.strerror}") from None
    return list(files)
