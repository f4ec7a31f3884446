"""The task `track`: follow a coloured line on the floor by the head camera. Tracks, the camera's view, the referee."""

import math
from dataclasses import dataclass, field
from typing import Literal, Self

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import CameraSpec
from leash_robot.robot.types import Array, Tick
from leash_robot.sim.envs.course import Course, CourseShape, draw_course
from leash_robot.sim.envs.floor import EXTENT, SCALE, SIDE, Floor, draw_floor
from leash_robot.sim.pybullet.camera import HeadCamera
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import Ranges, draw
from leash_robot.sim.rendering.lens import Exposure, Lens, draw_exposure

Verdict = Literal["running", "completed", "strayed", "fell", "late"]

PICTURE = CameraSpec(width=192, height=144, rate=30)
"""Size of what is drawn: the head camera's field of view in a third of its pixels a side."""


@dataclass(frozen=True)
class TrackRanges:
    """What tracks are drawn from."""

    shape: CourseShape = field(default_factory=CourseShape)
    width: tuple[float, float] = (0.014, 0.04)
    """Of the line [m]."""
    aside: float = 0.05
    """Largest distance of the robot from the line at the start [m]."""
    askew: float = 0.25
    """Largest angle between the robot and the line at the start [rad]."""
    body: Ranges = field(
        default_factory=lambda: Ranges(
            mass=(0.9, 1.1),
            friction=(0.6, 1.1),
            motor_strength=(0.9, 1.1),
            kp=(0.9, 1.1),
            kd=(0.9, 1.1),
            joint_friction=(0.0, 0.02),
            com=0.01,
            joint_zero_deg=2.0,
        )
    )
    """Machines that walk it."""


@dataclass(frozen=True, eq=False)
class Track:
    """One line on one floor under one light, and the machine that is to follow it."""

    seed: int
    course: Course
    floor: Floor
    exposure: Exposure
    dynamics: Dynamics
    start: tuple[float, float]
    """How far left of the line the robot begins [m], and how far turned to the left [rad]."""


def draw_track(seed: int, ranges: TrackRanges | None = None) -> Track:
    """The track of this seed: always the same, and another one for every other seed."""
    ranges = ranges or TrackRanges()
    rng = np.random.default_rng([seed, 0x7AC])
    return Track(
        seed=seed,
        course=draw_course(rng, ranges.shape),
        floor=draw_floor(rng, ranges.width),
        exposure=draw_exposure(rng),
        dynamics=draw(ranges.body, rng),
        start=(float(rng.uniform(-ranges.aside, ranges.aside)), float(rng.uniform(-ranges.askew, ranges.askew))),
    )


class TrackCamera:
    """Fits `Eye`: a head camera with its lens over the floor of a track."""

    def __init__(self) -> None:
        self._camera = HeadCamera(PICTURE)
        self._lens: Lens | None = None

    def look_at(self, track: Track) -> None:
        """See this track from now on."""
        self._camera.lay(track.floor.painted(track.course), EXTENT)
        self._lens = Lens(track.exposure, PICTURE.height, PICTURE.width)

    def render(self, position: Array, rotation: Array) -> Pixels:
        """The view (h, w, 3) RGB."""
        seen = self._camera.render(position, rotation)
        return seen if self._lens is None else self._lens.through(seen)


def place_at_start(robot: SimPupper, eye: TrackCamera, track: Track) -> None:
    """Become the track's machine and stand at its start."""
    eye.look_at(track)
    robot.become(track.dynamics, track.seed)
    aside, askew = track.start
    robot.place(0.0, aside, askew)


def planar_pose(robot: SimPupper) -> tuple[float, float, float]:
    """The body's true place x, y [m] and heading [rad]."""
    position, rotation = robot.world.pose()
    return float(position[0]), float(position[1]), math.atan2(rotation[1, 0], rotation[0, 0])


@dataclass(frozen=True)
class Rules:
    """When a track counts as completed."""

    astray: float = 0.2
    """Further from the line than this is lost [m]."""
    slowest: float = 0.09
    """Mean speed along the line that the time limit allows [m/s]."""


class TrackScorer:
    """Fits `Log`: follows the true body along the course and says how it went. Policies never see this."""

    def __init__(self, robot: SimPupper, course: Course, rules: Rules | None = None) -> None:
        self._robot = robot
        self._course = course
        self._rules = rules or Rules()
        self.arc = 0.0
        """How far along the line the robot is [m]."""
        self.path: list[tuple[float, float]] = []
        """Where it was at every tick [m]."""
        self.errors: list[float] = []
        """How far left of the line it was at every tick [m]."""
        self.verdict: Verdict = "running"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Look where the robot is after this tick."""
        x, y, _ = planar_pose(self._robot)
        self.arc, error = self._course.nearest(np.array([x, y]), self.arc)
        self.path.append((x, y))
        self.errors.append(error)
        self.verdict = self._judge(error)

    def over(self, tick: Tick) -> bool:
        """Whether there is nothing left to see."""
        return self.verdict != "running"

    @property
    def progress(self) -> float:
        """Part of the course that lies behind the robot, 0..1."""
        return min(1.0, max(0.0, self.arc / self._course.length))

    def _judge(self, error: float) -> Verdict:
        limit = self._course.length / self._rules.slowest
        if self._robot.fallen:
            return "fell"
        if abs(error) > self._rules.astray:
            return "strayed"
        if self.arc >= self._course.length:
            return "completed"
        return "late" if len(self.path) * self._robot.spec.period > limit else "running"


def from_above(track: Track, *drives: tuple[Array, tuple[int, int, int]], margin: float = 0.5) -> Pixels:
    """The painted floor around the course, x to the right and y up, with driven paths (T, 2) [m] in RGB colours."""
    floor = np.roll(track.floor.painted(track.course), SIDE // 2, axis=(0, 1))
    for path, colour in drives:
        points = np.round((path + EXTENT / 2) * SCALE * 16).astype(np.int32)[:, None]
        for paint, width in (((255, 255, 255), 6), (colour, 3)):
            cv2.polylines(floor, [points], False, paint, width, cv2.LINE_AA, 4)
    low = np.round((track.course.points.min(axis=0) - margin + EXTENT / 2) * SCALE).astype(int)
    high = np.round((track.course.points.max(axis=0) + margin + EXTENT / 2) * SCALE).astype(int)
    return np.ascontiguousarray(floor[low[1] : high[1], low[0] : high[0]][::-1])
