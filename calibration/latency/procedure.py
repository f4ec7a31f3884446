"""The delays from a command to what is seen of it; the motors are identified along the way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import replace as evolve

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.camera.file import Optics, known_optics, with_timing
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.frame_log import FrameLog, logging_frames
from leash_robot.calibration.latency.delays import Ways, ways
from leash_robot.calibration.latency.sway import record_sway, time_camera
from leash_robot.calibration.session import CalibrationSession, Found, Procedure
from leash_robot.robot.types import Array, Observation

PolicyTrips = Callable[[Iterable[Observation]], Array]
"""Asks a policy about each observation; how long each answer took (t,) [s]."""
SWAY = """Then stand the board upright 40 to 50 cm before the robot; it will stand up and sway before it for 7 s."""
"""What a person prepares, in addition, for `TimedCamera`."""


@dataclass(frozen=True)
class TimedCamera:
    """A camera before a board, whose exposure is timed by swaying."""

    name: str
    finder: Finder
    nominal: Optics | None = None
    """Lens and place where the calibration knows none."""
    latency_ms: float | None = None
    """From the light to a picture's own time, where it is known from elsewhere."""


def calibrate_latency(
    session: CalibrationSession, motors: Procedure, timed: TimedCamera | None = None, trips: PolicyTrips | None = None
) -> Found:
    """Measure every delay; `motors` is the body's procedure that moves its joints. Raises CalibrationError."""
    log = FrameLog()
    found, figures = motors.run(evolve(session, open=logging_frames(session.open, log)))
    for name, ages in log.ages.items():
        figures |= _percentiles("camera_age", 1e3 * np.array(ages))
        session.say(f"the camera {name} was {figures['camera_age_p50_ms']:.0f} ms behind")
    if timed is not None:
        found, more = _time_camera(timed, evolve(session, given=found))
        figures |= more
    if trips is not None:
        figures |= _percentiles("policy_trip", 1e3 * trips(log.ticks))
    figures = {name: value for name, value in figures.items() if np.isfinite(value)}
    return replace(found, residuals=found.residuals | figures), figures


def _time_camera(timed: TimedCamera, session: CalibrationSession) -> Found:
    """Sway before the board. Raises CalibrationError."""
    lens, mount = known_optics(session.given, timed.name, timed.nominal)
    timing = time_camera(record_sway(session, timed.name), session, timed.finder, lens, mount)
    figures = {
        "camera_behind_state_p50_ms": 1e3 * timing.latency,
        "camera_behind_state_p95_ms": 1e3 * (timing.latency + 2 * timing.latency_doubt),
        "camera_timing_residual_px": timing.residual,
    }
    if timing.readout is not None:
        figures["camera_rolling_p50_ms"] = 1e3 * timing.readout
        figures["camera_rolling_p95_ms"] = 1e3 * (timing.readout + 2 * timing.readout_doubt)
    both = None
    if timed.latency_ms is not None:
        trip = session.given.latency["round_trip_ms"]
        both = ways(trip, timed.latency_ms, 1e3 * timing.latency, 1e3 * timing.latency_doubt)
        figures |= _figures_of_ways(both)
    return with_timing(session.given, timed.name, timing, both, timed.latency_ms), figures


def _figures_of_ways(both: Ways) -> dict[str, float]:
    return {
        f"{name}_{suffix}_ms": one.value + spread * one.sigma
        for name, one in (("command_to_motion", both.there), ("telemetry_delay", both.back))
        for suffix, spread in (("p50", 0.0), ("p95", 2.0))
    }


def _percentiles(name: str, values: Array) -> dict[str, float]:
    return {f"{name}_p{share}_ms": float(np.percentile(values, share)) for share in (50, 95)}
