"""How well cameras are calibrated, on rendered cameras whose faults are known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.intrinsics import Intrinsics, fit_intrinsics
from leash_robot.calibration.camera.mount import fit_mount
from leash_robot.calibration.camera.views import Finder, View, refusal
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.pose import Pose
from leash_robot.launch.calibration.shown_board import ShownBoard, board_room
from leash_robot.robot.spec import load_spec
from leash_robot.sim.rendering.flawed_camera import Flaws, draw_flaws

VIEWS, SHOTS = 24, 80
"""Good views that are collected, and pictures that may be taken for them."""
STANCES = 20


@dataclass(frozen=True)
class Errors:
    """Of one camera."""

    focal_percent: float
    principal_px: float
    reprojection_px: float
    place_mm: float
    turn_deg: float


def camera_selftest(
    machines: int, seed: int, progress: Callable[[range], Iterable[int]] = lambda numbers: numbers
) -> dict[str, float]:
    """Draw `machines` cameras, calibrate each from pictures alone; return 95th percentiles of the errors.

    Focal length +-10 %, principal point +-16 px, distortion, blur, noise, moved by 10 mm and turned by 5 deg; the
    joints carry the errors that calibrated ones may have.
    """
    board = Board()
    room = board_room(board)
    errors = []
    for number in progress(range(machines)):
        rng = np.random.default_rng([seed, number])
        flaws = draw_flaws(rng)
        with ShownBoard(flaws, board, room, rng) as shown:
            errors.append(measure(flaws, shown, Finder(board)))
    table = np.array([list(vars(each).values()) for each in errors])
    keys = ("focal_p95_percent", "principal_p95_px", "reprojection_p95_px", "camera_pose_p95_mm", "camera_pose_p95_deg")
    return dict(zip(keys, np.percentile(table, 95, axis=0).tolist(), strict=True))


def measure(flaws: Flaws, shown: ShownBoard, finder: Finder) -> Errors:
    """Calibrate one camera and compare."""
    camera = fit_intrinsics(_collect(shown, finder)).camera
    spec = load_spec()
    legs = legs_of(spec)
    stood = [(read, finder.find(picture)) for read, picture in shown.stood(spec, legs, STANCES)]
    good = [(read, view) for read, view in stood if not refusal(view, [])]
    pose = fit_mount(np.array([read for read, _ in good]), legs, [view for _, view in good], camera).pose
    return _compare(flaws, camera, pose)


def _collect(shown: ShownBoard, finder: Finder) -> list[View]:
    views: list[View] = []
    for _, picture in zip(range(SHOTS), shown.held(), strict=False):
        if not refusal(view := finder.find(picture), views):
            views.append(view)
        if len(views) == VIEWS:
            break
    return views


def _compare(flaws: Flaws, camera: Intrinsics, pose: Pose) -> Errors:
    focal = np.array(camera.focal) / flaws.focal - 1
    turn = cv2.Rodrigues(pose.rotation.T @ flaws.axes)[0]
    return Errors(
        focal_percent=float(100 * np.abs(focal).max()),
        principal_px=float(np.linalg.norm(np.array(camera.centre) - flaws.centre)),
        reprojection_px=camera.reprojection,
        place_mm=float(1e3 * np.linalg.norm(pose.place - flaws.place)),
        turn_deg=float(np.degrees(np.linalg.norm(turn))),
    )
