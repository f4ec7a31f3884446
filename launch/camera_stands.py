"""Lets a robot lean before the board, and takes a picture and its joints in each stance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.progress import track

from calibration.camera_stances import UPRIGHT, stances, way
from calibration.legs import legs_of
from launch.output import console
from launch.priority import first_in_line
from launch.robots import RobotOptions, open_robot
from launch.standing import stand
from robot.errors import CalibrationError, GateLatched
from robot.image import Pixels
from robot.types import Action, Array, Observation, Robot

Stood = tuple[Array, Pixels]
"""Joints (12,) as they are read [rad], and the picture (h, w, 3)."""
STILL = 0.15
"""A joint faster than this is not at rest [rad/s]."""


def robot_stances(options: RobotOptions, name: str, count: int) -> list[Stood]:
    """Stand up, take one stance after the other, return what was seen in each. Raises CalibrationError, GateLatched.

    Note: pictures are only kept here; whoever looks at them while the robot stands makes the gate wait for commands.
    """
    options = options if options.camera else replace(options, camera=("on",))
    seen: list[Observation] = []
    with open_robot(options) as opened, first_in_line(opened.plan.processes.control.nice):
        stand(opened)
        console.print("the robot leans before the board; hands off, and do not move the board", highlight=False)
        legs, at = legs_of(opened.spec), UPRIGHT
        for lean in track([*stances(opened.spec, legs, count), UPRIGHT], "stances", console=console, transient=True):
            seen += _go(opened.robot, way(at, lean, opened.spec, legs))
            at = lean
    return [(obs.joint_pos, _picture(obs, name)) for obs in seen]


def _go(robot: Robot, targets: Sequence[Array]) -> list[Observation]:
    """Follow the targets and come to rest; what was seen then, or nothing when the joints are not still."""
    seen: list[Observation] = []
    for target in targets:
        obs = robot.observe()
        if robot.send(Action(target)).source == "safety":
            raise GateLatched("the gate stopped the robot while it leaned; see to the robot, then start again")
        seen = [*seen, obs][-6:]
    speed = max(float(np.abs(obs.joint_vel).max()) for obs in seen)
    mean = np.mean([obs.joint_pos for obs in seen], axis=0)
    return [replace(seen[-1], joint_pos=mean)] if speed < STILL else []


def _picture(obs: Observation, name: str) -> Pixels:
    image = obs.images.get(name)
    if image is None:
        raise CalibrationError(f"the camera {name} delivered no picture; give --camera {name}=/dev/video0")
    return image.rgb
