"""The bench of planned ends: it sees a robot that lies, one that tips over, and one that fell before its end."""

from collections.abc import Callable

import numpy as np
import pytest

from leash_robot.benchmarks.safety.ends import EndsTask, PlannedEnd, WatchedTwin, end_session, ended, figures, seen
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.spec import load_spec
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()


def session(ending: Callable[[WatchedTwin], None], ticks: int = 5) -> PlannedEnd:
    twin = WatchedTwin(seed=1)

    def begin() -> None:
        twin.watch()
        ending(twin)

    walked = end_session(lockstep(SPEC, twin), Stand(SPEC), ticks, begin)
    twin.advance(1500)
    return seen(0, twin, walked=walked)


def test_a_robot_that_stood_and_sank_lies_and_has_not_tipped() -> None:
    end = session(lambda twin: None)
    assert end.walked and end.lying and not end.tipped
    assert end.tilt_max_deg < 15.0 and end.height_end < 0.08


def test_a_robot_that_is_thrown_over_while_its_session_ends_has_tipped() -> None:
    end = session(lambda twin: twin.push(np.array([0.0, 4.0, 1.5])))
    assert end.walked and end.tipped and end.tilt_max_deg > 60.0


def test_a_robot_that_fell_before_its_session_ended_says_nothing_about_ends() -> None:
    twin = WatchedTwin(seed=1)
    with lockstep(SPEC, twin) as robot:
        robot.reset()
        twin.push(np.array([0.0, 4.0, 1.5]))
        twin.advance(3000)
        twin.watch()
    assert not seen(0, twin, walked=True).walked


def test_an_end_depends_on_its_seed_and_machine_alone() -> None:
    task = EndsTask("trot", "inside", seed=5, seconds=0.5)
    first = ended(task, 1)
    assert first == ended(task, 1) != ended(task, 0)


def test_the_figures_count_the_ends_of_the_robots_that_walked() -> None:
    good = PlannedEnd(0, walked=True, lying=True, tilt_max_deg=8.0, tilt_end_deg=2.0, height_end=0.05)
    over = PlannedEnd(1, walked=True, lying=False, tilt_max_deg=120.0, tilt_end_deg=95.0, height_end=0.06)
    fell = PlannedEnd(2, walked=False, lying=False, tilt_max_deg=170.0, tilt_end_deg=170.0, height_end=0.05)
    found = figures([good, over, fell])
    assert (found["machines"], found["walked"], found["lying"], found["tipped"]) == (3, 2, 1, 1)
    assert found["tilt_max_deg"] == pytest.approx(120.0)
    assert [one["machine"] for one in found["bad"]] == [1, 2]
