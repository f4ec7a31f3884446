"""A camera in the machine's calibration: its optics read from it, and what was found put into it."""

from math import nan

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.camera.intrinsics import Fit, Intrinsics
from leash_robot.calibration.camera.mount import Mount
from leash_robot.calibration.latency.camera_timing import Timing
from leash_robot.calibration.latency.delays import Ways
from leash_robot.calibration.pose import Pose
from leash_robot.robot.calibration import Calibration, CameraCalibration, Rotation
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array


def with_lens(known: Calibration, name: str, fit: Fit) -> Calibration:
    """The calibration with this camera's lens; where it sits stays what it was, if that was known."""
    lens, before = fit.camera, known.cameras.get(name)
    camera = CameraCalibration(
        width=lens.size[0],
        height=lens.size[1],
        fx=lens.focal[0],
        fy=lens.focal[1],
        cx=lens.centre[0],
        cy=lens.centre[1],
        distortion=lens.distortion,
        position=before.position if before else (0.0, 0.0, 0.0),
        rotation=before.rotation if before else None,
        latency_ms=before.latency_ms if before else None,
        rolling_ms=before.rolling_ms if before else None,
    )
    residuals = {**known.residuals, f"camera_{name}_reprojection_px": lens.reprojection}
    return replace(known, cameras={**known.cameras, name: camera}, residuals=residuals)


def with_mount(known: Calibration, name: str, mount: Mount) -> Calibration:
    """The calibration with this camera's place on the body."""
    x, y, z = (float(value) for value in mount.pose.place)
    camera = replace(known.cameras[name], position=(x, y, z), rotation=_rows(mount.pose.rotation))
    residuals = {**known.residuals, f"camera_{name}_mount_px": mount.residual}
    return replace(known, cameras={**known.cameras, name: camera}, residuals=residuals)


def _rows(turn: Array) -> Rotation:
    left, _, right = np.linalg.svd(turn)
    (a, b, c), (d, e, f), (g, h, i) = (left @ right).tolist()
    return ((a, b, c), (d, e, f), (g, h, i))


Optics = tuple[Intrinsics, Pose]
"""Lens and place of a camera."""


def lens_of(known: CameraCalibration) -> Intrinsics:
    """The lens, without what was known of its doubts."""
    bends = (*known.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    return Intrinsics((known.width, known.height), (known.fx, known.fy), (known.cx, known.cy), bends, nan, nan, nan)


def known_lens(given: Calibration, name: str) -> Intrinsics:
    """A lens that was found before. Raises CalibrationError."""
    lens = given.cameras.get(name)
    if lens is None:
        raise CalibrationError(f"nothing is known of the lens of {name} on {given.machine}; leave --keep-lens out")
    return lens_of(lens)


def known_optics(given: Calibration, name: str, nominal: Optics | None = None) -> Optics:
    """Lens and place of a camera; the `nominal` ones, if given, where nothing is known. Raises CalibrationError."""
    known = given.cameras.get(name)
    if known is not None and known.rotation is not None:
        return lens_of(known), Pose(np.array(known.rotation), np.array(known.position))
    if nominal is None:
        raise CalibrationError(
            f"lens and place of the camera {name} of {given.machine} are not both known; "
            f"`leash calibrate camera --name {name} --mount stances` finds them"
        )
    return nominal


def with_timing(given: Calibration, name: str, timing: Timing, both: Ways | None, latency: float | None) -> Calibration:
    """The calibration with when a camera sees, and, where they were told apart, both ways of a command [ms]."""
    rolling = None if timing.readout is None else round(1e3 * timing.readout, 3)
    cameras = {
        other: replace(camera, latency_ms=latency, rolling_ms=rolling) if other == name else camera
        for other, camera in given.cameras.items()
    }
    delays = {} if both is None else {"command_to_motion_ms": both.there, "telemetry_delay_ms": both.back}
    return replace(given, cameras=cameras, latency=given.latency | delays)
