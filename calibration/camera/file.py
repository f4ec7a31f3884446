"""Puts what was found about a camera into the machine's calibration; the rest of it stays."""

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.camera.intrinsics import Fit
from leash_robot.calibration.camera.mount import Mount
from leash_robot.robot.calibration import Calibration, CameraCalibration, Rotation
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
