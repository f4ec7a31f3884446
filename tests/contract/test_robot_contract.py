"""What every Robot keeps: the fake, PyBullet, and the driver at the twin's serial line, in real and in virtual time."""

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Action, Observation, Robot
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.twin import TwinProcess
from leash_robot.sim.twin.virtual_time import lockstep

Open = Callable[[Spec], contextlib.AbstractContextManager[Robot]]
SPEC = load_spec()


TWINS: list[Twin | TwinProcess] = []
"""Those that are open, for hands to set them upright."""


@contextlib.contextmanager
def twin(spec: Spec) -> Iterator[Robot]:
    with TwinProcess() as process, Pupper(spec, process.port) as robot, first_in_line(-10):
        TWINS[:] = [process]
        yield robot
        TWINS.clear()


@contextlib.contextmanager
def virtual(spec: Spec) -> Iterator[Robot]:
    with lockstep(spec, twin := Twin()) as robot:
        TWINS[:] = [twin]
        yield robot
        TWINS.clear()


ROBOTS: dict[str, Open] = {
    "fake": FakeRobot,
    "bullet": SimPupper,
    "twin": twin,
    "lockstep": virtual,
}


@pytest.fixture(scope="module", params=ROBOTS)
def robot(request: pytest.FixtureRequest) -> Iterator[Robot]:
    with ROBOTS[request.param](SPEC) as opened:
        yield opened


def ready(robot: Robot) -> None:
    """Set upright, where the test before threw it over, and stood up."""
    if isinstance(robot, Pupper):
        robot.stop("hands on")
        robot.rearm()
    for twin in TWINS:
        twin.place()
    robot.reset()


def settled(robot: Robot) -> Observation:
    """The observation after standing still for half a second."""
    ready(robot)
    for _ in range(10):
        robot.observe()
        robot.send(Action(SPEC.stand))
    return robot.observe()


def test_it_stands_after_reset(robot: Robot) -> None:
    obs = settled(robot)
    assert np.abs(obs.joint_pos - SPEC.stand).max() < 0.2


def test_observations_have_the_shapes_and_units_that_are_promised(robot: Robot) -> None:
    obs = settled(robot)
    n = len(SPEC.joints)
    assert obs.joint_pos.shape == obs.joint_vel.shape == obs.joint_effort.shape == (n,)
    assert obs.gravity.shape == obs.gyro.shape == obs.command.shape == (3,)
    assert np.isfinite(obs.joint_pos).all() and np.isfinite(obs.joint_vel).all()
    assert np.isnan(obs.command).all(), "a robot does not know what it is asked"
    if np.isfinite(obs.gravity).all():
        assert math.isclose(float(np.linalg.norm(obs.gravity)), 1.0, abs_tol=1e-6)
        assert obs.gravity[2] < -0.9, "upright is (0, 0, -1)"


def test_ticks_are_one_period_apart(robot: Robot) -> None:
    settled(robot)
    robot.send(Action(SPEC.stand))
    times, late = [], []
    for _ in range(10):
        obs = robot.observe()
        robot.send(Action(SPEC.stand))
        times.append(obs.time + obs.age - obs.late)
        late.append(obs.late)
    begun = np.diff(np.array(times) + np.array(late))
    assert begun.sum() == pytest.approx(9 * SPEC.period + late[-1] - late[0], abs=0.01)
    assert min(late) >= 0.0


def test_what_was_sent_is_clamped_to_range_and_step(robot: Robot) -> None:
    settled(robot)
    before = robot.send(Action(SPEC.stand)).joint_pos
    robot.observe()
    sent = robot.send(Action(SPEC.stand + 10.0)).joint_pos
    assert (sent <= SPEC.upper + 1e-6).all()
    assert (np.abs(sent - before) <= SPEC.step + 1e-6).all()


def test_what_was_sent_keeps_command_source_and_risk(robot: Robot) -> None:
    settled(robot)
    asked = Action(SPEC.stand, np.array([0.1, 0.0, 0.2]), "human", 0.25)
    sent = robot.send(asked)
    assert (sent.source, sent.risk) == ("human", 0.25)
    assert np.array_equal(sent.command, asked.command)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_target_that_is_no_number_is_not_followed(robot: Robot, bad: float) -> None:
    settled(robot)
    target = SPEC.stand.copy()
    target[4] = bad
    sent = robot.send(Action(target))
    assert sent.source == "hold"
    assert np.allclose(sent.joint_pos, SPEC.stand, atol=1e-6)


def test_holding_keeps_the_last_target(robot: Robot) -> None:
    settled(robot)
    lifted = SPEC.stand + 0.05
    robot.send(Action(lifted))
    robot.observe()
    sent = robot.send(Action(SPEC.stand, source="hold"))
    assert np.allclose(sent.joint_pos, lifted, atol=1e-6)


def test_an_action_that_has_expired_is_held_instead(robot: Robot) -> None:
    obs = settled(robot)
    late = Action(SPEC.stand + 0.05, expires=obs.time + obs.age - 0.001)
    sent = robot.send(late)
    assert sent.source == "hold" and np.allclose(sent.joint_pos, SPEC.stand, atol=1e-6)
    obs = robot.observe()
    assert robot.send(Action(SPEC.stand, expires=obs.time + obs.age + 10.0)).source == "policy"


def test_targets_move_the_joints(robot: Robot) -> None:
    before = settled(robot).joint_pos
    target = SPEC.stand + np.tile([0.0, 0.15, -0.25], 4)
    for _ in range(15):
        robot.send(Action(target))
        obs = robot.observe()
    moved = obs.joint_pos - before
    assert (np.sign(moved.reshape(4, 3)[:, 1:]) == [1.0, -1.0]).all()
    assert np.abs(obs.joint_pos - target).max() < 0.2


def test_the_loop_runs_on_it(robot: Robot) -> None:
    class Still:
        def reset(self) -> None: ...

        def act(self, obs: Observation) -> Action:
            return Action(SPEC.stand)

    ready(robot)
    log = NoLog()
    assert run(robot, Still(), log, ticks=20) == 20
    assert log.count == 20


def test_it_lies_down_and_stands_up_again(robot: Robot) -> None:
    settled(robot)
    robot.rest()
    assert np.abs(robot.observe().joint_pos - SPEC.rest).max() < 0.3
    robot.reset()
    assert np.abs(robot.observe().joint_pos - SPEC.stand).max() < 0.2
