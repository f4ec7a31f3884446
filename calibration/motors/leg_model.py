"""Legs in the air under the firmware's control, a millisecond at a time, for many parameter sets at once.

One leg is abduction, hip and knee on a body that does not move. Masses are those measured on the stock robot. The motor
is the simulator's: firmware PD on a filtered speed, current limit, dry friction that grows with the current, rotor.
Arrays are (3, b): a joint a row, a leg with its parameters a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.spec import Gains
from leash_robot.robot.types import Array

STEP = 1e-3
"""[s]"""
GRAVITY = 9.81
VELOCITY_FILTER, CURRENT_LOOP = 0.002, 0.002
"""Time constants of the motor controller [s]."""
NAMES = ("kp", "kd", "torque_per_amp", "coulomb", "load_friction", "inertia", "delay")
NOMINAL: Array = np.array([1.0, 1.0, 0.2484, 0.035, 0.069, 0.0028, 0.02])
"""Scale of kp, scale of kd, N m/A, N m, N m/A, kg m2 of a rotor, s from command to what is seen of it."""

THIGH = 0.080
ABDUCTION_MASS, ABDUCTION_SIDE = 0.106, 0.0139
ABDUCTION_INERTIA = 6e-5 + ABDUCTION_MASS * ABDUCTION_SIDE**2
THIGH_MASS, THIGH_COM, THIGH_SIDE, THIGH_INERTIA = 0.142, 0.061, 0.0395 + 0.0172, (1.6e-4, 1.4e-4, 3e-5)
SHANK_MASS, SHANK_COM, SHANK_AHEAD, SHANK_SIDE = 0.038, 0.0658, -0.0008, 0.0395 - 0.004 - 0.0056
SHANK_INERTIA = (3e-5, 3e-5, 7.5e-6)


REFRESH = 5
"""Steps after which the mass matrix is worked out anew; a leg hardly moves meanwhile."""
VISCOUS = 0.0045
"""Too small beside kd to be told apart from it [N m s/rad]."""


@dataclass(frozen=True)
class TargetCourse:
    """What one measurement told b legs to do, and where they began."""

    begin: Array
    """(3, b) joint angles at the beginning, at rest [rad]."""
    sent: Array
    """(m,) when each target was sent [s], from the beginning on; ascending."""
    targets: Array
    """(m, 3, b) [rad]"""
    ticks: NDArray[np.int64]
    """(k,) whole milliseconds after the beginning at which the legs were seen."""
    side: Array
    """(b,) +1 for left legs, -1 for right ones."""
    down: Array
    """(3,) gravity's direction in the body frame."""
    gains: Gains


def simulate(motors: Array, courses: Sequence[TargetCourse]) -> list[tuple[Array, Array]]:
    """Angles (k, 3, b) and speeds (k, 3, b) of each course's legs, whose motors are columns of `motors` (7, b).

    All courses run side by side, since numpy takes little longer for many columns than for few.
    """
    gains, side = courses[0].gains, np.concatenate([course.side for course in courses])
    kp, kd, per_amp, coulomb, load_friction, inertia, _ = np.tile(motors, len(courses))
    kp, kd, limit = kp * gains.kp, kd * gains.kd, gains.max_current
    targets = _side_by_side([_delayed(course, motors[6]) for course in courses])
    pos = np.concatenate([course.begin for course in courses], axis=1)
    vel, slow, current = np.zeros_like(pos), np.zeros_like(pos), kp * (targets[0] - pos)
    seen = np.empty((2, *targets.shape))
    filtering, loop = 1 - np.exp(-STEP / VELOCITY_FILTER), 1 - np.exp(-STEP / CURRENT_LOOP)
    for step, target in enumerate(targets):
        if step % REFRESH == 0:
            mass, load = inertia_and_load(pos, vel, side, courses[0].down)
            mass[:, [0, 1, 2], [0, 1, 2]] += inertia[:, None]
            ease = np.moveaxis(np.linalg.inv(mass), 0, -1) * STEP
        seen[0, step], seen[1, step] = pos, slow
        slow += filtering * (vel - slow)
        wanted = kp * (target - pos) - kd * slow
        current += loop * (np.minimum(np.maximum(wanted, -limit), limit) - current)
        vel = vel + (ease * (per_amp * current + load - VISCOUS * vel)).sum(axis=1)
        grip = coulomb + load_friction * np.abs(current)
        stop = -vel / ease[[0, 1, 2], [0, 1, 2]]
        vel = vel + (ease * np.minimum(np.maximum(stop, -grip), grip)).sum(axis=1)
        pos = pos + STEP * vel
    columns = np.split(seen, len(courses), axis=-1)
    return [(part[0, course.ticks], part[1, course.ticks]) for course, part in zip(courses, columns, strict=True)]


def _side_by_side(every: Sequence[Array]) -> Array:
    """(steps, 3, all columns); shorter ones hold their last row."""
    longest = max(len(one) for one in every)
    return np.concatenate([np.pad(one, ((0, longest - len(one)), (0, 0), (0, 0)), "edge") for one in every], axis=-1)


def _delayed(course: TargetCourse, delay: Array) -> Array:
    """(steps, 3, b) the target in force at each step, once the delay (b,) has passed; smooth in the delay."""
    times = np.arange(int(course.ticks[-1]) + 1)[:, None] * STEP - delay
    number = np.searchsorted(course.sent, times, side="right") - 1
    now, before = np.maximum(number, 0), np.maximum(number - 1, 0)
    share = np.clip((times - course.sent[now]) / STEP, 0.0, 1.0)[:, None, :]
    legs = np.arange(times.shape[1])
    after, old = course.targets[now, :, legs], course.targets[before, :, legs]
    mixed: Array = np.moveaxis(old, 2, 1) * (1 - share) + np.moveaxis(after, 2, 1) * share
    return mixed


def inertia_and_load(pos: Array, vel: Array, side: Array, down: Array) -> tuple[Array, Array]:
    """Mass matrix (b, 3, 3) without rotors [kg m2], and what gravity and motion exert (3, b) [N m].

    Note: terms of motion in which the abduction takes part are left out; excitations move it alone.
    """
    (a, h, k), (_, vh, vk) = pos, vel
    s = h + k
    reach_x = SHANK_AHEAD * np.cos(s) - SHANK_COM * np.sin(s)
    reach_z = -SHANK_AHEAD * np.sin(s) - SHANK_COM * np.cos(s)
    knee_x, knee_z = -THIGH * np.sin(h), -THIGH * np.cos(h)
    thigh = (-THIGH_COM * np.sin(h), side * THIGH_SIDE, -THIGH_COM * np.cos(h))
    shank = (knee_x + reach_x, side * SHANK_SIDE, knee_z + reach_z)
    by_knee = (reach_z, -reach_x)
    across = down[1] * np.cos(a) + down[2] * np.sin(a)
    under = -down[1] * np.sin(a) + down[2] * np.cos(a)
    mass, load = np.zeros((len(a), 3, 3)), np.zeros((3, len(a)))
    mass[:, 0, 0] = ABDUCTION_INERTIA
    load[0] = ABDUCTION_MASS * GRAVITY * ABDUCTION_SIDE * side * under
    for weight, (x, y, z), turning, pitch in (
        (THIGH_MASS, thigh, THIGH_INERTIA, h),
        (SHANK_MASS, shank, SHANK_INERTIA, s),
    ):
        mass[:, 0, 0] += weight * (y**2 + z**2) + turning[0] * np.cos(pitch) ** 2 + turning[2] * np.sin(pitch) ** 2
        mass[:, 0, 1] -= weight * y * x
        mass[:, 1, 1] += weight * (x**2 + z**2) + turning[1]
        load[0] += weight * GRAVITY * (y * under - z * across)
        load[1] += weight * GRAVITY * (z * down[0] - x * under)
    mass[:, 0, 2] = SHANK_MASS * shank[1] * by_knee[1]
    mass[:, 1, 2] = SHANK_MASS * (shank[2] * by_knee[0] - shank[0] * by_knee[1]) + SHANK_INERTIA[1]
    mass[:, 2, 2] = SHANK_MASS * (by_knee[0] ** 2 + by_knee[1] ** 2) + SHANK_INERTIA[1]
    mass[:, 1, 0], mass[:, 2, 0], mass[:, 2, 1] = mass[:, 0, 1], mass[:, 0, 2], mass[:, 1, 2]
    swing = SHANK_MASS * (knee_x * by_knee[0] + knee_z * by_knee[1])
    load[1] -= swing * (2 * vh * vk + vk**2)
    load[2] = SHANK_MASS * GRAVITY * (by_knee[0] * down[0] + by_knee[1] * under) + swing * vh**2
    return mass, load
