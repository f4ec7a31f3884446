"""Courses: a line on the floor with an arc length, drawn at random as a road is, by its curvature."""

import math
from dataclasses import dataclass

import numpy as np

from leash_robot.robot.types import Array

STEP = 0.01
"""Distance between two points of a course [m]."""
RUN_OUT = 0.8
"""How far the line goes on after the finish, so that a robot about to arrive still has something to follow [m]."""
BEHIND = 0.3
"""How far the line begins before the start [m]."""
ROOM = 0.6
"""Parts of the line further apart than this along it stay as far apart on the floor [m]."""


@dataclass(frozen=True)
class CourseShape:
    """What courses are drawn from."""

    length: tuple[float, float] = (2.6, 3.4)
    """From start to finish [m]."""
    sharpest: float = 2.1
    """Largest curvature [1/m]."""
    bend: float = 0.4
    """Distance over which the curvature goes from one drawn value to the next [m]."""
    turn: float = 1.9
    """Largest angle between the line and its beginning [rad]."""


@dataclass(frozen=True, eq=False)
class Course:
    """A line on the floor. It passes the origin along x at arc length 0 and finishes at `length` [m]."""

    points: Array
    """(N, 2) every STEP of the line, from BEHIND before the start to RUN_OUT after the finish [m]."""
    length: float

    def at(self, arc: float) -> tuple[Array, float]:
        """The point (2,) [m] and the direction [rad] of the line at an arc length [m]."""
        index = int(np.clip(round((arc + BEHIND) / STEP), 0, len(self.points) - 2))
        dx, dy = self.points[index + 1] - self.points[index]
        return self.points[index], math.atan2(dy, dx)

    def nearest(self, point: Array, near: float, reach: float = 0.3) -> tuple[float, float]:
        """Arc length of the line's nearest point within `reach` of arc length `near`, and how far left of it we are.

        Looking only nearby keeps a robot that passes close to another part of the line from jumping there.
        """
        low = max(0, round((near - reach + BEHIND) / STEP))
        window = self.points[low : max(low + 2, round((near + reach + BEHIND) / STEP) + 1)]
        index = int(np.argmin(((window - point) ** 2).sum(axis=1)))
        arc = (low + index) * STEP - BEHIND
        place, direction = self.at(arc)
        dx, dy = point - place
        return arc, float(math.cos(direction) * dy - math.sin(direction) * dx)


def draw_course(rng: np.random.Generator, shape: CourseShape | None = None) -> Course:
    """Draw courses until one neither turns too far nor comes near itself."""
    shape = shape or CourseShape()
    while True:
        length = float(rng.uniform(*shape.length))
        course = Course(_line(rng, shape, length), length)
        if _open(course, shape):
            return course


def _line(rng: np.random.Generator, shape: CourseShape, length: float) -> Array:
    """(N, 2) points of a line whose curvature passes smoothly through random values."""
    arcs = np.arange(0.0, length + RUN_OUT, STEP)
    knots = rng.uniform(-shape.sharpest, shape.sharpest, int(arcs[-1] / shape.bend) + 3)
    knots[0] = 0.0
    part, place = np.modf(arcs / shape.bend)
    before = place.astype(np.int64)
    blend = part * part * (3 - 2 * part)
    heading = np.cumsum(knots[before] + blend * (knots[before + 1] - knots[before])) * STEP
    ahead = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * STEP, axis=0)
    back = np.arange(-BEHIND, STEP / 2, STEP)
    return np.concatenate([np.stack([back, np.zeros_like(back)], axis=1), ahead])


def _open(course: Course, shape: CourseShape) -> bool:
    steps = np.diff(course.points, axis=0)
    if np.abs(np.arctan2(steps[:, 1], steps[:, 0])).max() > shape.turn:
        return False
    few = course.points[:: round(0.05 / STEP)]
    apart = np.linalg.norm(few[:, None] - few[None], axis=-1)
    along = np.abs(np.subtract.outer(np.arange(len(few)), np.arange(len(few)))) * 0.05
    return bool((apart[along > 2 * ROOM] > ROOM).all())
