"""The robot without a body."""

import numpy as np

from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action

SPEC = load_spec()


def test_it_is_safe_outside_its_block_only() -> None:
    robot = FakeRobot(SPEC)
    assert robot.safe
    with robot:
        assert not robot.safe
    assert robot.safe


def test_it_lies_until_reset_and_then_stands() -> None:
    with FakeRobot(SPEC) as robot:
        assert robot.spec is SPEC
        assert np.array_equal(robot.observe().joint_pos, SPEC.rest)
        robot.reset()
        assert np.array_equal(robot.observe().joint_pos, SPEC.stand)


def test_joints_reach_the_clamped_target_within_the_tick() -> None:
    with FakeRobot(SPEC) as robot:
        robot.reset()
        sent = robot.send(Action(SPEC.stand + 9.0))
        assert np.array_equal(robot.observe().joint_pos, sent.joint_pos)
        assert np.array_equal(robot.send(Action(SPEC.rest, source="safety")).joint_pos, sent.joint_pos)


def test_time_belongs_to_its_clock() -> None:
    clock = VirtualClock(10.0)
    with FakeRobot(SPEC, clock) as robot:
        times = [robot.observe().time for _ in range(3)]
    np.testing.assert_allclose(times, [10.0, 10.05, 10.1])


def test_cameras_deliver_blank_frames_when_asked_for() -> None:
    with FakeRobot(SPEC, images=True) as robot:
        frame = robot.observe().images["head"]
        assert frame.rgb.shape == (480, 640, 3)
    with FakeRobot(SPEC) as robot:
        assert robot.observe().images == {}


def test_no_log_counts() -> None:
    with FakeRobot(SPEC) as robot, NoLog() as log:
        assert log.count == 0
        assert robot.observe() is not None
