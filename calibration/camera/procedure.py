"""Lens and mount of a camera, by a printed board that a person shows, and that the robot leans before."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from leash_robot.calibration.camera.collection import CollectedViews, collect
from leash_robot.calibration.camera.frames import Frame
from leash_robot.calibration.camera.intrinsics import Fit, Intrinsics, fit_intrinsics
from leash_robot.calibration.camera.mount import Mount, fit_mount, mount_from_known_board
from leash_robot.calibration.camera.stances import stance_targets
from leash_robot.calibration.camera.views import FEWEST, Finder
from leash_robot.calibration.guide import Guide
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.pose import Pose
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError, GateLatched
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Robot

Stance = tuple[Array, Pixels]
"""Joints (n,) as they are read [rad], and the picture (h, w, 3)."""
STILL = 0.15
"""A joint faster than this is not at rest [rad/s]."""
FLAT = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Axes of a board on the floor before the robot, its upper edge away from it: right, down, into the floor."""


def find_lens(
    pictures: Iterator[Frame], finder: Finder, count: int, seconds: float, guide: Guide, *, live: bool
) -> tuple[Fit, Pixels]:
    """The lens from `count` good views, and one of the pictures they come from. Raises CalibrationError."""
    collected = collect(pictures, finder, count, seconds, live=live, guide=guide)
    guide.note(f"{len(collected.views)} good views; {collected.reasons()}")
    guide.say("fitting the lens")
    return fit_intrinsics(collected.views), collected.picture()


def find_mount_from_floor(
    pictures: Iterator[Frame], finder: Finder, lens: Intrinsics, middle: Array, seconds: float, guide: Guide
) -> Mount:
    """The mount from one view of a board that lies flat with its middle (3,) at a known place [m].

    Raises CalibrationError.
    """
    width, height = finder.board.size
    corner = middle - FLAT @ [width / 2, height / 2, 0.0]
    collected: CollectedViews = collect(pictures, finder, 1, seconds, live=False, guide=guide)
    if not collected.views:
        raise CalibrationError(f"the board was not seen: {collected.reasons()}; lay it before the robot, in the light")
    return mount_from_known_board(collected.views[0], lens, Pose(FLAT, corner))


def find_mount_from_stances(
    stances: Iterable[Stance], finder: Finder, lens: Intrinsics, spec: Spec, guide: Guide
) -> Mount:
    """The mount from stances before a board that stays where it is. Raises CalibrationError."""
    seen = [(joints, finder.find(picture, f"stance {number}")) for number, (joints, picture) in enumerate(stances)]
    good = [(joints, view) for joints, view in seen if len(view) >= FEWEST]
    guide.note(f"the board was seen from {len(good)} of {len(seen)} stances")
    joints = np.array([joints for joints, _ in good]).reshape(len(good), -1)
    return fit_mount(joints, legs_of(spec), [view for _, view in good], lens)


def take_stances(
    robot: Robot,
    camera: str,
    count: int,
    check: Callable[[], None],
    stopped: Callable[[], str],
    progress: Callable[[Sequence[Sequence[Array]]], Iterable[Sequence[Array]]] = lambda ways: ways,
) -> list[Stance]:
    """Let a standing robot take one stance after the other, then lie down; what was seen in each.

    `check` raises once a person stopped the robot, `stopped` says why the gate did. Raises CalibrationError,
    GateLatched.

    Note: pictures are only kept here; decoding them while the robot stands would let the gate wait for commands.
    """
    ways = stance_targets(robot.spec, legs_of(robot.spec), count)
    seen: list[Observation] = []
    for targets in progress(ways):
        seen += _follow(robot, targets, check, stopped)
    robot.rest()
    return [(obs.joint_pos, _picture(obs, camera)) for obs in seen]


def _follow(
    robot: Robot, targets: Sequence[Array], check: Callable[[], None], stopped: Callable[[], str]
) -> list[Observation]:
    """Follow the targets and come to rest; what was seen then, or nothing when the joints are not still."""
    seen: list[Observation] = []
    for target in targets:
        check()
        obs = robot.observe()
        if robot.send(Action(target)).source == "safety":
            check()
            cause = stopped() or "it did not say why"
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
