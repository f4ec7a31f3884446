"""Priorities, requests to stop, and pools of worker processes."""

import os
import signal

import pytest

from leash_robot.robot.errors import RobotError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.host.stopping import stoppable
from leash_robot.robot.host.worker_pool import WorkerPool


def test_a_loop_does_without_priorities_that_it_may_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    set_to: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda kind, process, nice: set_to.append(nice))
    with first_in_line(-5) as granted:
        assert (granted, set_to) == ("nice -5", [-5])
    monkeypatch.setattr(os, "setpriority", refuse)
    with first_in_line(-5) as granted:
        assert granted == "ordinary"


def test_the_first_signal_is_a_request_and_the_next_one_interrupts() -> None:
    with stoppable() as requested:
        os.kill(os.getpid(), signal.SIGTERM)
        assert requested.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([], 5)


def double(number: int) -> int:
    return 2 * number


def die() -> None:
    os._exit(3)


def test_a_pool_yields_results_and_says_when_a_worker_dies() -> None:
    with WorkerPool(2) as pool:
        assert sorted(pool.each(double, [(1,), (2,), (3,)])) == [2, 4, 6]
    with pytest.raises(RobotError, match="a worker of the evaluation died"), WorkerPool(1) as pool:
        list(pool.each(die, [()]))
