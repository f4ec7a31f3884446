"""Where a camera sits on the body: from the board at a known place, or from several stances on the same footprints.

Measured over 20 random cameras of the twin with 16 stances, joint zeros wrong by 0.25 degrees (standard deviation) and
angles by 0.1: see `fit_mount`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.views import BoardView
from leash_robot.calibration.footprints import stance_poses
from leash_robot.calibration.pose import Pose, closest_turn
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Legs
from leash_robot.robot.types import Array

ENOUGH = 6
"""Stances that the result must rest on."""
TURNED = 4.0
"""Root mean square turn of the body about its least turned axis, over the stances, that is needed at least [deg]."""
SCATTER = 0.15
"""Of a corner in a picture [pixels]."""
SLACK = (5e-4, 5e-4, 2e-3, 1e-3, 1e-3, 2e-4)
"""How well the body's pose over its feet is known, about and along each axis [rad, m]."""
SLIP = (1e-4, 1e-4, 3e-4, 1.5e-4, 1.5e-4, 5e-5)
"""By how much creeping feet move the body from each stance to the next, about and along each axis [rad, m]."""
ZEROS = 0.0045
"""Of the joints' angles [rad]."""
STEP = 1e-4
"""For differences; OpenCV takes a turn below 1e-5 for none [rad or m]."""
LOOSE = 8.0
"""Root mean square residual that says that body, board or feet moved while they should not [pixels]."""


@dataclass(frozen=True, eq=False)
class Mount:
    """The result: the camera's axes (right, down, view) and place in the body frame."""

    pose: Pose
    residual: float
    """Root mean square distance between corners seen and predicted [pixels]."""
    stances: int


def board_in_camera(view: BoardView, camera: Intrinsics) -> Pose:
    """Where the board is before the camera."""
    found, turn, move = cv2.solvePnP(view.points, view.seen, camera.matrix, camera.bends, flags=cv2.SOLVEPNP_ITERATIVE)
    if not found:
        raise CalibrationError(f"the board's place in {view.name or 'a view'} cannot be told; hold it nearer")
    return Pose.of(np.concatenate([np.ravel(turn), np.ravel(move)]))


def mount_from_known_board(view: BoardView, camera: Intrinsics, board: Pose) -> Mount:
    """The camera's pose from one view of a board whose pose in the body frame was measured."""
    seen = board_in_camera(view, camera)
    residual = _rms(project(view, camera, seen) - view.seen)
    return Mount(board @ seen.inverse, residual, 1)


def hand_eye(bodies: Sequence[Pose], views: Sequence[BoardView], camera: Intrinsics) -> Pose:
    """The camera's pose in the body in closed form, from the motions between stances; a start for `fit_mount`.

    A motion A of the body and B of the camera satisfy A X = X B: X turns B's axis into A's, and what is left is linear.
    (F. Park and B. Martin, Robot sensor calibration: solving AX = XB on the Euclidean group, 1994.)
    """
    seen = [board_in_camera(view, camera) for view in views]
    pairs = [(i, j) for i in range(len(bodies)) for j in range(i)]
    ours = [bodies[j].inverse @ bodies[i] for i, j in pairs]
    theirs = [seen[j] @ seen[i].inverse for i, j in pairs]
    rotation = closest_turn(
        np.array([pose.vector[:3] for pose in theirs]), np.array([pose.vector[:3] for pose in ours])
    )
    left = np.concatenate([pose.rotation - np.eye(3) for pose in ours])
    right = np.concatenate([rotation @ b.place - a.place for a, b in zip(ours, theirs, strict=True)])
    return Pose(rotation, np.linalg.lstsq(left, right)[0])


def fit_mount(joint_pos: Array, legs: Legs, views: Sequence[BoardView], camera: Intrinsics) -> Mount:
    """The camera's pose in the body from stances (v, 12) [rad] on the same footprints; the board is somewhere, at rest.

    Camera, board and what the joints' zeros are off are fitted together. Stances count by how well
    they are known: the board before the camera by the corners' scatter, the body by `SLACK`, creeping feet by `SLIP`.
    Raises CalibrationError.
    """
    bodies = stance_poses(joint_pos, legs)
    _check_stances(bodies)
    seen = [board_in_camera(view, camera) for view in views]
    start = hand_eye(bodies, views, camera)
    whiten = _whitening(bodies, start, views, camera, seen)

    def residuals(values: Array) -> Array:
        mount, held, zeros = Pose.of(values[:6]), Pose.of(values[6:12]), values[12:]
        placed = stance_poses(joint_pos - zeros, legs)
        errors = [
            (pose.inverse @ mount.inverse @ body.inverse @ held).vector for body, pose in zip(placed, seen, strict=True)
        ]
        return np.concatenate([whiten @ np.concatenate(errors), zeros / ZEROS])

    board = bodies[0] @ start @ seen[0]
    best = least_squares(residuals, np.concatenate([start.vector, board.vector, np.zeros(joint_pos.shape[1])]))
    mount, held = Pose.of(best[:6]), Pose.of(best[6:12])
    placed = stance_poses(joint_pos - best[12:], legs)
    misses = [
        project(view, camera, mount.inverse @ body.inverse @ held) - view.seen
        for body, view in zip(placed, views, strict=True)
    ]
    return Mount(mount, _checked(_rms(np.concatenate(misses))), len(views))


def _whitening(
    bodies: Sequence[Pose], mount: Pose, views: Sequence[BoardView], camera: Intrinsics, seen: Sequence[Pose]
) -> Array:
    """(6 v, 6 v) makes independent the differences between the board's seen and expected poses, in the board's axes.

    What feet have crept until one stance is still there in all later ones.
    """
    count = len(bodies)
    pairs = list(zip(bodies, views, seen, strict=True))
    by_body = [_by_body(body @ mount, body, pose) for body, _, pose in pairs]
    order = np.arange(count)
    crept = np.minimum.outer(order, order)
    spread = np.zeros((count, 6, count, 6))
    for i, j in np.ndindex(count, count):
        spread[i, :, j] = crept[i, j] * by_body[i] @ np.diag(np.square(SLIP)) @ by_body[j].T
    for i, (_, view, pose) in enumerate(pairs):
        spread[i, :, i] += _scatter(view, camera, pose) + by_body[i] @ np.diag(np.square(SLACK)) @ by_body[i].T
    return np.linalg.inv(np.linalg.cholesky(spread.reshape(6 * count, 6 * count)))


def _scatter(view: BoardView, camera: Intrinsics, seen: Pose) -> Array:
    """(6, 6) how sure a board's pose is from one picture, in the board's axes."""
    _, slopes = cv2.projectPoints(view.points, seen.vector[:3], seen.place, camera.matrix, camera.bends)
    exact = seen.inverse
    turned = [(exact @ Pose.of(seen.vector + step)).vector / STEP for step in STEP * np.eye(6)]
    by_seen = np.stack(turned, axis=1)
    return SCATTER**2 * by_seen @ np.linalg.inv(slopes[:, :6].T @ slopes[:, :6]) @ by_seen.T


def _by_body(eye: Pose, body: Pose, seen: Pose) -> Array:
    """(6, 6) how the board's pose, in its own axes, follows a turn and shift of the body; `eye` is the camera."""
    board = eye @ seen
    moved = [(board.inverse @ body @ Pose.of(step) @ body.inverse @ board).vector / STEP for step in STEP * np.eye(6)]
    return np.stack(moved, axis=1)


def _checked(residual: float) -> float:
    if residual > LOOSE:
        raise CalibrationError(
            f"the stances do not agree (residual {residual:.0f} px, {LOOSE:.0f} allowed): board, feet or camera moved "
            "between them; fix the board, put the robot on a floor that does not slip, and try again"
        )
    return residual


def least_squares(residuals: Callable[[Array], Array], start: Array, rounds: int = 12) -> Array:
    """Parameters (n,) that minimise the sum of squares of `residuals`, by Levenberg and Marquardt's method."""
    values, damping = start.copy(), 1e-3
    errors = residuals(values)
    for _ in range(rounds):
        slopes = np.stack([(residuals(values + step) - errors) / 1e-6 for step in 1e-6 * np.eye(len(values))], axis=1)
        normal = slopes.T @ slopes
        change = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -slopes.T @ errors)
        tried = residuals(values + change)
        if tried @ tried < errors @ errors:
            gain = 1 - (tried @ tried) / (errors @ errors)
            values, errors, damping = values + change, tried, damping / 5
            if gain < 1e-5:
                break
        else:
            damping *= 10
    return values


def _check_stances(bodies: Sequence[Pose]) -> None:
    if len(bodies) < ENOUGH:
        raise CalibrationError(f"the board was seen from {len(bodies)} stances; at least {ENOUGH} are needed")
    mean = closest_turn(np.eye(3), np.sum([body.rotation for body in bodies], axis=0))
    turns = np.array([cv2.Rodrigues(mean.T @ body.rotation)[0].ravel() for body in bodies])
    spread = np.degrees(np.sqrt(np.linalg.eigvalsh(turns.T @ turns / len(turns))))
    if spread[1] < TURNED:
        raise CalibrationError(
            f"the body turned by only {spread[1]:.1f} deg about its second axis, {TURNED:.0f} are needed; lean further"
        )


def project(view: BoardView, camera: Intrinsics, board: Pose) -> Array:
    """(n, 2) where the corners of a view are seen when the board is there [pixels]."""
    turn = cv2.Rodrigues(board.rotation)[0]
    seen, _ = cv2.projectPoints(view.points, turn, board.place, camera.matrix, camera.bends)
    return np.asarray(seen, dtype=np.float64).reshape(-1, 2)


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.sum(errors**2, axis=-1))))
