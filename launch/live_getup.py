"""Back on its feet without a person: fold the legs, roll over if need be, stand up."""

import numpy as np

from robot.loop import run
from robot.spec import Spec
from robot.types import Action, Array, Log, Observation, Robot

TRIES = 3
"""How often a robot tries before a person is called."""
UPRIGHT = -0.75
"""Gravity along the body's z below which the legs are under it."""
FOLD, SWING, PUSH = 16, 8, 8
"""Ticks for folding the legs, swinging those of one side over the back, and pushing with them."""


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


def swung(spec: Spec, *, left: bool, inward: bool) -> Array:
    """(n,) the legs of one side over the back, turned outward or inward; the others folded."""
    pose = fold(spec).reshape(4, 3)
    sign = (1.0 if left else -1.0) * (-1.0 if inward else 1.0)
    pose[1 if left else 0 :: 2] = (0.75 * sign, 3.6, -0.3)
    return pose.ravel()


def get_up(robot: Robot, log: Log) -> None:
    """Try once to stand, from any pose; `robot.reset` does the standing. Raises RobotError when it cannot drive."""
    spec = robot.spec
    start = np.array(robot.observe().joint_pos).clip(spec.lower, spec.upper)
    moves = Moves(start, (fold(spec), FOLD))
    run(robot, moves, log, ticks=moves.ticks)
    if moves.seen.gravity[2] > UPRIGHT:
        left = bool(moves.seen.gravity[1] > 0)
        out, inward = (swung(spec, left=left, inward=inward) for inward in (False, True))
        moves = Moves(moves.end, (out, SWING), (out, PUSH), (inward, PUSH), (fold(spec), FOLD))
        run(robot, moves, log, ticks=moves.ticks)
    robot.reset()
