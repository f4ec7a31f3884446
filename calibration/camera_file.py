"""Puts what was found about a camera into the machine's calibration, without losing the last good one."""

import os
import tempfile
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from calibration.camera_intrinsics import Fit
from calibration.camera_mount import Mount
from robot.calibration import Calibration, CameraCalibration, Rotation, dump_calibration
from robot.errors import CalibrationError
from robot.types import Array


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
    )
    residuals = {**known.residuals, f"camera_{name}_reprojection_px": lens.reprojection}
    return replace(known, cameras={**known.cameras, name: camera}, residuals=residuals)


def with_mount(known: Calibration, name: str, mount: Mount) -> Calibration:
    """The calibration with this camera's place on the body."""
    x, y, z = (float(value) for value in mount.pose.place)
    camera = replace(known.cameras[name], position=(x, y, z), rotation=_rows(mount.pose.rotation))
    residuals = {**known.residuals, f"camera_{name}_mount_px": mount.residual}
    return replace(known, cameras={**known.cameras, name: camera}, residuals=residuals)


def save_calibration(path: Path, calibration: Calibration) -> Calibration:
    """Write the next version and return it; the file before is kept as NAME.vVERSION.yaml. Raises CalibrationError.

    The file appears complete or not at all.
    """
    parent = calibration.hash if calibration.version > 0 else ""
    newer = replace(calibration, version=calibration.version + 1, parent=parent)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(dump_calibration(newer))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            path.replace(path.with_name(f"{path.stem}.v{calibration.version}{path.suffix}"))
        Path(temporary).replace(path)
    except OSError as error:
        raise CalibrationError(
            f"cannot write {path}: {error.strerror}; give --out a file in a folder that exists"
        ) from None
    return newer


def _rows(turn: Array) -> Rotation:
    left, _, right = np.linalg.svd(turn)
    (a, b, c), (d, e, f), (g, h, i) = (left @ right).tolist()
    return ((a, b, c), (d, e, f), (g, h, i))
