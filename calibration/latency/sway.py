"""A robot sways before a board that stands still: when its camera saw that, against when its joints told of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.mount import board_in_camera
from leash_robot.calibration.camera.stances import Lean, joints_of
from leash_robot.calibration.camera.views import FEWEST, BoardView, Finder
from leash_robot.calibration.footprints import stance_poses
from leash_robot.calibration.frame_log import FrameLog, logging_frames
from leash_robot.calibration.latency.camera_timing import Timing, fit_timing
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.measurement import MeasurementBench, StateLog
from leash_robot.calibration.pose import Pose
from leash_robot.calibration.session import CalibrationSession
from leash_robot.calibration.settings import standing
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import CalibrationError, CameraError
from leash_robot.robot.types import Array

PITCH, YAW = 0.07, 0.12
"""How far the body sways [rad],"""
PITCH_RATE, YAW_RATE = 8.0, 6.0
"""and how fast its phases go on [rad/s]; together neither ever stands still in the picture."""
SWAYING, RESTING, EASING = 6.0, 1.0, 0.5
"""How long it sways, stands still before, and takes to get going [s]."""
ENOUGH = 20
"""Pictures of the board that are needed while it sways."""


def sway(bench: MeasurementBench) -> float:
    """Stand still, then sway; the time at which the swaying began [s]. Raises CalibrationError."""
    spec, legs = bench.robot.spec, legs_of(bench.robot.spec)
    bench.say("standing before the board")
    bench.rest(RESTING)
    began = bench.log().arrived[-1]
    bench.say("swaying before the board")
    for tick in range(round(SWAYING * spec.rate)):
        when = tick / spec.rate
        ease = min(1.0, when / EASING, (SWAYING - when) / EASING)
        turn = ease * np.array([0.0, PITCH * np.sin(PITCH_RATE * when), YAW * np.sin(YAW_RATE * when)])
        joints = joints_of(Lean(turn, np.zeros(3)), spec, legs)
        bench.tick(bench.target if joints is None else joints)
    bench.move(spec.stand, 0.5)
    return float(began)


def record_sway(session: CalibrationSession, name: str) -> tuple[StateLog, list[Image], float]:
    """States and pictures of a robot that stands, then sways before a board; and when it began [s].

    Raises CalibrationError.
    """
    frames = FrameLog()
    logged = replace(session, open=logging_frames(session.open, frames))
    with logged.open(standing(session.spec), session.given) as robot:
        bench = logged.bench(robot)
        bench.stand_by()
        began = sway(bench)
    return bench.log(), frames.pictures.get(name, []), began


def time_camera(
    seen: tuple[StateLog, Sequence[Image], float],
    session: CalibrationSession,
    finder: Finder,
    lens: Intrinsics,
    mount: Pose,
) -> Timing:
    """Latency, against the states' own times of arrival, and readout. Raises CalibrationError."""
    log, pictures, began = seen
    views = [(image.time, view) for image in pictures if (view := _view(image, finder)) is not None]
    still = [view for when, view in views if when < began]
    moving = [(when, view) for when, view in views if when > began + EASING]
    if not still or len(moving) < ENOUGH:
        raise CalibrationError(
            f"the board was seen {len(still)} times at rest and {len(moving)} times swaying, of {len(pictures)} "
            f"pictures; 1 and {ENOUGH} are needed: stand it upright 40 to 50 cm before the robot, in the light"
        )
    body_at = _bodies(log, session)
    board = body_at(began) @ mount @ board_in_camera(still[-1], lens)
    return fit_timing(moving, lambda when: (body_at(when) @ mount).inverse @ board, lens)


def _view(image: Image, finder: Finder) -> BoardView | None:
    try:
        view = finder.find(image.rgb)
    except CameraError:
        return None
    return view if len(view) >= FEWEST else None


def _bodies(log: StateLog, session: CalibrationSession) -> Callable[[float], Pose]:
    """Where the body was at a time, over feet that roll; on the machine's clock, free of the line's jitter."""
    times = log.clock + float(np.median(log.arrived - log.clock))
    vectors: Array = np.array([pose.vector for pose in stance_poses(log.pos, legs_of(session.spec))])
    return lambda when: Pose.of(np.array([np.interp(when, times, column) for column in vectors.T]))
