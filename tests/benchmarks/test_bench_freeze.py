"""`leash bench freeze`: nothing is acted upon that was computed from an old picture, however a camera freezes."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from leash_robot.benchmarks.safety.freeze import BASE, CAMERA, KINDS, Judge, Source, figures, measure, offered
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Tick
from leash_robot.robot.types import Source as Who

SPEC = load_spec()
NOW = 100.0


def test_nothing_old_is_acted_upon_while_a_real_camera_freezes_in_each_way() -> None:
    found = measure(len(KINDS), seed=3)
    assert found["freezes"] == len(KINDS) and found["acted"] >= 2 * len(KINDS)
    assert found["acted_on_stale"] == 0 and found["oldest_acted_ms"] < 200
    assert found["stops"] > 0 and found["named"] > 0


@pytest.fixture
def judge() -> Judge:
    source = cast(Source, SimpleNamespace(first=[NOW - 0.201] * 200 + [NOW - 0.199]))
    blamed = f"the picture from camera {CAMERA!r} is 201 ms old"
    robot = FakeRobot(SPEC, VirtualClock(NOW))
    robot.send(Action(SPEC.stand))
    return Judge(source, cast(RemotePolicy, SimpleNamespace(manifest=offered(SPEC), blame=blamed)), robot)


def gone_out(source: Who, number: int = 0) -> Tick:
    robot = FakeRobot(SPEC)
    action = Action(SPEC.stand, np.array([number // BASE, number % BASE, 0.0]), source)
    return Tick(robot.observe(), action, action)


def test_an_old_picture_that_was_acted_upon_is_counted_by_the_number_in_it(judge: Judge) -> None:
    judge.add(gone_out("policy", 150))
    judge.add(gone_out("policy", 200))
    found = figures(judge.seen)
    assert (found["acted"], found["acted_on_stale"]) == (2, 1)
    assert found["oldest_acted_ms"] == pytest.approx(201)


def test_holding_acts_upon_nothing_and_a_stop_is_counted_with_what_it_names(judge: Judge) -> None:
    judge.add(gone_out("policy", 150))
    judge.add(gone_out("hold", 150))
    judge.add(gone_out("safety", 150))
    found = figures(judge.seen)
    assert (found["acted"], found["stops"], found["named"]) == (1, 1, 1)


def test_a_robot_without_a_body_holds_instead_of_an_action_that_has_expired() -> None:
    clock = VirtualClock(10.0)
    with FakeRobot(SPEC, clock) as robot:
        robot.reset()
        target = SPEC.stand + 0.01
        assert robot.send(Action(target, expires=10.0)).source == "policy"
        clock.advance(0.001)
        held = robot.send(Action(SPEC.stand, expires=10.0))
    assert held.source == "hold"
    np.testing.assert_array_equal(held.joint_pos, target)
