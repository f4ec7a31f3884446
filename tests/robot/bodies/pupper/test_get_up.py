"""Getting up: a robot that lies upright only folds its legs and stands."""

import numpy as np

from leash_robot.robot.bodies.pupper.get_up import fold, get_up
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.logs import Logs
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Tick

SPEC = load_spec()


class Kept(list[Tick]):
    """Fits `Log`."""

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.append(tick)


def test_an_upright_robot_only_folds_its_legs_and_stands() -> None:
    kept = Kept()
    with FakeRobot(SPEC) as robot:
        robot.reset()
        get_up(robot, Logs(kept))
        np.testing.assert_allclose(robot.observe().joint_pos, SPEC.stand)
    np.testing.assert_allclose(kept[-1].sent.joint_pos, fold(SPEC), atol=1e-6)
