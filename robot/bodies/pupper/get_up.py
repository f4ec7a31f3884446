"""Back on its feet without a person: fold the legs, roll over if need be, stand up."""

import numpy as np

from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Log, Observation, Robot

TRIES = 3
"""How often a robot tries before a person is called."""
UPRIGHT = -0.75
"""Gravity along the body's z below which the legs are under it."""
LEVEL = -0.966
"""The same below which it may stand up: a robot that leans more is refused."""
FOLD, SWING, PUSH = 16, 8, 8
"""Ticks for folding the legs, swinging them over the back, and pushing with them."""


class Moves:
    """Fits `Policy`: from the target that is held to one pose after another, in a straight line each."""

    def __init__(self, begin: Array, *poses: tuple[Array, int]) -> None:
        """`poses` are targets (n,) [rad] with the ticks that each takes."""
        self._targets: list[Array] = []
        for pose, ticks in poses:
            self._targets += [begin + (pose - begin) * (step + 1) / ticks for step in range(ticks)]
            begin = pose
        self.ticks = len(self._targets)
        self.end = begin

    def reset(self) -> None:
        """Begin."""
        self._at = -1

    def act(self, obs: Observation) -> Action:
        """The next target."""
        self._at += 1
        self.seen = obs
        return Action(self._targets[self._at])


def fold(spec: Spec) -> Array:
    """(n,) legs folded under the body [rad]."""
    return np.array(spec.rest)


def swung(spec: Spec, *, left: bool, right: bool) -> Array:
    """(n,) the legs of these sides stretched over the back and outward, the others folded [rad]."""
    pose = fold(spec).reshape(4, 3)
    for side, sign, wanted in ((1, 1.0, left), (0, -1.0, right)):
        if wanted:
            pose[side::2] = (0.75 * sign, 3.6, -0.3)
    return pose.ravel()


def get_up(robot: Robot, log: Log) -> None:
    """Try once to stand, from any pose; `robot.reset` does the standing, of a robot that lies level.

    Raises RobotError when it cannot drive.
    """
    spec = robot.spec
    start = np.array(robot.observe().joint_pos).clip(spec.lower, spec.upper)
    moves = Moves(start, (fold(spec), FOLD))
    run(robot, moves, log, ticks=moves.ticks)
    if moves.seen.gravity[2] > UPRIGHT:
        # Note: from the back onto one side; from the side, legs of both push the floor from behind, onto the feet.
        left = bool(moves.seen.gravity[1] <= 0)
        side, both = swung(spec, left=left, right=not left), swung(spec, left=True, right=True)
        moves = Moves(moves.end, (side, SWING), (side, PUSH), (both, SWING), (both, PUSH), (fold(spec), FOLD))
        run(robot, moves, log, ticks=moves.ticks)
    if moves.seen.gravity[2] <= LEVEL:
        robot.reset()
