"""What `leash bench stop` counts."""

import os
import pty
import time
import tty

import pytest

from leash_robot.benchmarks.safety.stop import Press, Tap, figures
from leash_robot.robot.bodies.pupper.protocol import IDLE, encode_gains, encode_target
from support.firmware import wait_for


def test_only_presses_while_the_motors_had_current_are_timed() -> None:
    presses = [Press("starting", False, 0.0, float("inf")), Press("re-armed", True, 0.02, 0.1)]
    found = figures(presses)
    assert (found["presses"], found["with_current"], found["with_current_re-armed"]) == (2, 1, 1)
    assert found["moved_max_ms"] == pytest.approx(20.0)
    assert found["released_max_ms"] == pytest.approx(100.0)
    assert found["armed_after_stop"] == 0


def test_current_that_comes_on_after_a_stop_is_counted() -> None:
    assert figures([Press("starting", False, 0.3, 0.5)])["armed_after_stop"] == 1


def test_a_tap_passes_frames_on_and_knows_when_targets_changed_and_the_motors_were_let_go() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        with Tap(os.ttyname(slave)) as tap:
            host = os.open(tap.path, os.O_RDWR | os.O_NOCTTY)
            try:
                sent = encode_gains(50.0, 2.0, 7.0) + encode_target((0.0,) * 12)
                os.write(host, sent)
                wait_for(lambda: len(tap.frames) == 2)
                assert os.read(master, 1000) == sent
                pressed = time.monotonic()
                assert tap.current(pressed)
                assert tap.moved(pressed) == pressed
                os.write(host, encode_target((0.1,) * 12) + IDLE)
                wait_for(lambda: len(tap.frames) == 4)
                assert tap.moved(pressed) > pressed
                assert pressed < tap.released(pressed) < time.monotonic()
            finally:
                os.close(host)
    finally:
        os.close(master)
        os.close(slave)
