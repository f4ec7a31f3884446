"""A camera as a calibration has it: its lens and place for those who need them, and its timing for the file."""

from math import nan

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.timing import Timing
from leash_robot.calibration.latency import Ways
from leash_robot.calibration.pose import Pose
from leash_robot.robot.calibration import Calibration, CameraCalibration
from leash_robot.robot.errors import CalibrationError


def lens_of(known: CameraCalibration) -> Intrinsics:
    """The lens, without what was known of its doubts."""
    bends = (*known.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    return Intrinsics((known.width, known.height), (known.fx, known.fy), (known.cx, known.cy), bends, nan, nan, nan)


def kept_eye(given: Calibration, name: str, *, nominal: bool) -> tuple[Intrinsics, Pose]:
    """Lens and place of a camera; those of the twin where nothing is known and it is the twin's (`nominal`).

    Raises CalibrationError.
    """
    known = given.cameras.get(name)
    if known is not None and known.rotation is not None:
        return lens_of(known), Pose(np.array(known.rotation), np.array(known.position))
    if not nominal:
        raise CalibrationError(
            f"lens and place of the camera {name} of {given.machine} are not both known; "
            f"`leash calibrate camera --name {name} --mount stances` finds them"
        )
    from leash_robot.sim.rendering.flawed_camera import NOMINAL_FOCAL, NOMINAL_PLACE, nominal_axes

    focal, bends = (NOMINAL_FOCAL, NOMINAL_FOCAL), (0.0,) * 5
    lens = Intrinsics((640, 480), focal, (319.5, 239.5), bends, nan, nan, nan)
    return lens, Pose(nominal_axes(), np.array(NOMINAL_PLACE))


def with_timing(given: Calibration, name: str, timing: Timing, both: Ways | None, latency: float | None) -> Calibration:
    """The calibration with when a camera sees, and, where they were told apart, both ways of a command [ms]."""
    rolling = None if timing.readout is None else round(1e3 * timing.readout, 3)
    cameras = {
        other: replace(eye, latency_ms=latency, rolling_ms=rolling) if other == name else eye
        for other, eye in given.cameras.items()
    }
    delays = {} if both is None else {"command_to_motion_ms": both.there, "telemetry_delay_ms": both.back}
    return replace(given, cameras=cameras, latency=given.latency | delays)
