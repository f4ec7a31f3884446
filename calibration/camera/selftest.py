"""How well cameras are calibrated, on rendered cameras whose faults are known."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import Protocol

import cv2
import numpy as np

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.intrinsics import Intrinsics, fit_intrinsics
from leash_robot.calibration.camera.mount import fit_mount
from leash_robot.calibration.camera.stances import stance_targets
from leash_robot.calibration.camera.views import BoardView, Finder, refusal
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.pose import Pose
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

VIEWS, SHOTS = 24, 80
"""Good views that are collected, and pictures that may be taken for them."""
STANCES = 20
"""In which the robot leans before the board."""


class CameraTruth(Protocol):
    """What a rendered camera is really like."""

    @property
    def focal(self) -> tuple[float, float]:
        """Focal lengths [pixels]."""
        ...

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point [pixels]."""
        ...

    @property
    def axes(self) -> Array:
        """(3, 3) right, down and view in the body frame."""
        ...

    @property
    def place(self) -> Array:
        """(3,) in the body frame [m]."""
        ...


class RenderedCamera(Protocol):
    """A simulated camera with faults, before a board."""

    @property
    def truth(self) -> CameraTruth:
        """What it is really like."""
        ...

    def held(self) -> Iterator[Pixels]:
        """Endless pictures (h, w, 3) of the board as a person shows it."""
        ...

    def stood(self, spec: Spec, ways: Iterable[Sequence[Array]]) -> Iterator[tuple[Array, Pixels]]:
        """Joints (n,) as they are read, and the picture, at the end of each of these ways of targets (n,)."""
        ...


@dataclass(frozen=True)
class CameraErrors:
    """Of one camera."""

    focal_percent: float
    principal_px: float
    reprojection_px: float
    place_mm: float
    turn_deg: float


def camera_selftest(
    machines: int,
    spec: Spec,
    open_camera: Callable[[int], AbstractContextManager[RenderedCamera]],
    progress: Callable[[range], Iterable[int]] = lambda numbers: numbers,
) -> dict[str, float]:
    """Calibrate each camera that `open_camera` makes by its number, from pictures alone.

    Returns the 95th percentiles of the errors; `progress` wraps the numbers.
    """
    errors = []
    for number in progress(range(machines)):
        with open_camera(number) as camera:
            errors.append(measure(camera, Finder(Board()), spec))
    table = np.array([astuple(each) for each in errors])
    keys = ("focal_p95_percent", "principal_p95_px", "reprojection_p95_px", "camera_pose_p95_mm", "camera_pose_p95_deg")
    return dict(zip(keys, np.percentile(table, 95, axis=0).tolist(), strict=True))


def measure(rendered: RenderedCamera, finder: Finder, spec: Spec) -> CameraErrors:
    """Calibrate one camera and compare."""
    lens = fit_intrinsics(_collect(rendered, finder)).camera
    legs = legs_of(spec)
    stood = rendered.stood(spec, stance_targets(spec, legs, STANCES)[:-1])
    seen = [(joints, finder.find(picture)) for joints, picture in stood]
    good = [(joints, view) for joints, view in seen if not refusal(view, [])]
    pose = fit_mount(np.array([joints for joints, _ in good]), legs, [view for _, view in good], lens).pose
    return _compare(rendered.truth, lens, pose)


def _collect(rendered: RenderedCamera, finder: Finder) -> list[BoardView]:
    views: list[BoardView] = []
    for _, picture in zip(range(SHOTS), rendered.held(), strict=False):
        if not refusal(view := finder.find(picture), views):
            views.append(view)
        if len(views) == VIEWS:
            break
    return views


def _compare(truth: CameraTruth, lens: Intrinsics, pose: Pose) -> CameraErrors:
    focal = np.array(lens.focal) / truth.focal - 1
    turn = cv2.Rodrigues(pose.rotation.T @ truth.axes)[0]
    return CameraErrors(
        focal_percent=float(100 * np.abs(focal).max()),
        principal_px=float(np.linalg.norm(np.array(lens.centre) - truth.centre)),
        reprojection_px=lens.reprojection,
        place_mm=float(1e3 * np.linalg.norm(pose.place - truth.place)),
        turn_deg=float(np.degrees(np.linalg.norm(turn))),
    )
