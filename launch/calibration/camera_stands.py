"""Lets a robot lean before the board, and takes a picture and its joints in each stance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.progress import track

from leash_robot.calibration.camera.stances import UPRIGHT, stances, way
from leash_robot.calibration.legs import legs_of
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.reporting.output import console, note
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError, GateLatched
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.standing import Agree, stand
from leash_robot.robot.types import Action, Array, Observation
from leash_robot.teleop.brake import Brake

Stood = tuple[Array, Pixels]
"""Joints (12,) as they are read [rad], and the picture (h, w, 3)."""
STILL = 0.15
"""A joint faster than this is not at rest [rad/s]."""


def robot_stances(
    options: RobotOptions, name: str, count: int, brake: Brake | None = None, agree: Agree | None = None
) -> list[Stood]:
    """Stand up, take one stance after the other, return what was seen in each. Raises CalibrationError, GateLatched.

    `brake` is pulled by whoever else may stop the robot, `agree` asks whether to go on after a stop; without it, the
    terminal does.

    Note: pictures are only kept here; whoever looks at them while the robot stands makes the gate wait for commands.
    """
    options = options if options.camera else replace(options, camera=("on",))
    seen: list[Observation] = []
    with (
        attended(brake) as person,
        # Note: while it homes, the brake is already watched, and a stop must not come as Ctrl-C instead
        person.brake.on(lambda cause: None),
        open_robot(options, watch=person.watch) as opened,
        person.brake.on(opened.stop),
        first_in_line(opened.plan.processes.control.nice),
    ):
        stand(opened, agree or person.agrees, note)
        console.print("the robot leans before the board; hands off, and do not move the board", highlight=False)
        legs, at = legs_of(opened.spec), UPRIGHT
        for lean in track([*stances(opened.spec, legs, count), UPRIGHT], "stances", console=console, transient=True):
            seen += _go(opened, way(at, lean, opened.spec, legs), person.brake)
            at = lean
        opened.robot.rest()
    person.brake.check()
    return [(obs.joint_pos, _picture(obs, name)) for obs in seen]


def _go(opened: Opened, targets: Sequence[Array], brake: Brake) -> list[Observation]:
    """Follow the targets and come to rest; what was seen then, or nothing when the joints are not still."""
    seen: list[Observation] = []
    for target in targets:
        brake.check()
        obs = opened.robot.observe()
        if opened.robot.send(Action(target)).source == "safety":
            brake.check()
            cause = opened.stopped() or "it did not say why"
            raise GateLatched(f"the gate stopped the robot while it leaned: {cause}; see to it, then start again")
        seen = [*seen, obs][-6:]
    speed = max(float(np.abs(obs.joint_vel).max()) for obs in seen)
    mean = np.mean([obs.joint_pos for obs in seen], axis=0)
    return [replace(seen[-1], joint_pos=mean)] if speed < STILL else []


def _picture(obs: Observation, name: str) -> Pixels:
    image = obs.images.get(name)
    if image is None:
        raise CalibrationError(f"the camera {name} delivered no picture; give --camera {name}=/dev/video0")
    return image.rgb
