"""Own policy class: anything with `reset` and `act` drives any robot. This one needs neither torch nor a simulator.

python examples/own_policy.py
"""

import numpy as np

from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Action, Observation


class Nod:
    """Fits `Policy`: the stand pose with a slow sine on the front legs' knees."""

    def __init__(self, spec: Spec, amplitude: float = 0.2, period: float = 2.0) -> None:
        """`amplitude` is in rad, `period` in seconds."""
        self._stand = spec.stand
        self._moving = np.array([name.startswith("front") and name.endswith("knee") for name in spec.names])
        self._amplitude, self._period = amplitude, period
        self._start = np.nan

    def reset(self) -> None:
        """Begin the sine anew at the next observation."""
        self._start = np.nan

    def act(self, obs: Observation) -> Action:
        """The target for this tick."""
        if np.isnan(self._start):
            self._start = obs.time
        angle = self._amplitude * np.sin(2 * np.pi * (obs.time - self._start) / self._period)
        return Action(self._stand + angle * self._moving)


def main() -> None:
    """Drive a robot without a body for four seconds of its time."""
    spec = load_spec("pupper_v2")
    with FakeRobot(spec) as robot, NoLog() as log:
        robot.reset()
        run(robot, Nod(spec), log, ticks=round(4.0 * spec.rate))
        print(f"{log.count} ticks; joints at the end: {np.round(robot.observe().joint_pos, 2).tolist()}")


if __name__ == "__main__":
    main()
