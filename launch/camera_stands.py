"""Lets a robot lean before the board, and takes a picture and its joints in each stance."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rich.progress import track

from calibration.camera_stances import legs_of, stances
from launch.output import console
from launch.robots import RobotOptions, open_robot
from launch.standing import stand
from robot.errors import CalibrationError, GateLatched
from robot.image import Pixels
from robot.types import Action, Array, Observation, Robot

Stood = Iterator[tuple[Array, Pixels]]
"""Joints (12,) as they are read [rad], and the picture (h, w, 3)."""
LEANING, RESTING = 20, 16
"""Ticks for the way into a stance, and to come to rest in it."""
STILL = 0.15
"""A joint faster than this is not at rest [rad/s]."""


def robot_stances(options: RobotOptions, name: str, count: int) -> Stood:
    """Stand up, take one stance after the other, yield what is seen in each. Raises CalibrationError, GateLatched."""
    options = options if options.camera else replace(options, camera=("on",))
    with open_robot(options) as opened:
        stand(opened)
        console.print("the robot leans before the board; hands off, and do not move the board", highlight=False)
        wanted = stances(opened.spec, legs_of(opened.spec), count)
        at = opened.spec.stand
        for joints, _, _ in track(wanted, "stances", console=console, transient=True):
            last = _go(opened.robot, at, joints)
            at = joints
            if last is not None:
                yield last.joint_pos, _picture(last, name)
        _go(opened.robot, at, opened.spec.stand)


def _go(robot: Robot, begin: Array, end: Array) -> Observation | None:
    """Move smoothly and come to rest; what was seen then, or None when the joints are not still."""
    seen: list[Observation] = []
    for tick in range(LEANING + RESTING):
        obs = robot.observe()
        share = 0.5 - 0.5 * np.cos(np.pi * min(1.0, tick / LEANING))
        if robot.send(Action(begin + share * (end - begin))).source == "safety":
            raise GateLatched("the gate stopped the robot while it leaned; see to the robot, then start again")
        seen = [*seen, obs][-6:]
    speed = max(float(np.abs(obs.joint_vel).max()) for obs in seen)
    mean = np.mean([obs.joint_pos for obs in seen], axis=0)
    return replace(seen[-1], joint_pos=mean) if speed < STILL else None


def _picture(obs: Observation, name: str) -> Pixels:
    image = obs.images.get(name)
    if image is None:
        raise CalibrationError(f"the camera {name} delivered no picture; give --camera {name}=/dev/video0")
    return image.rgb
