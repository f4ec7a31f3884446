"""The serial robot in virtual time: the same driver, gate and bytes, reproducible."""

import numpy as np
import pytest

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.errors import RobotError
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action
from leash_robot.sim.firmware.drive import Mode
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import LockstepGate, lockstep
from support.walks import Kept

SPEC = load_spec()


def walked(dynamics: TwinDynamics, ticks: int = 60) -> tuple[Twin, Kept]:
    twin, kept = Twin(dynamics, seed=3), Kept()
    with lockstep(SPEC, twin, needs_imu=True) as robot:
        robot.reset()
        run(robot, ConstantCommand(Trot(SPEC), (0.25, 0.0, 0.0)), kept, ticks=ticks)
    return twin, kept


def test_a_run_depends_on_its_seed_alone() -> None:
    (_, one), (_, other) = walked(TwinDynamics(), 20), walked(TwinDynamics(), 20)
    for a, b in zip(one.ticks, other.ticks, strict=True):
        assert np.array_equal(a.obs.joint_pos, b.obs.joint_pos)
        assert np.array_equal(a.sent.joint_pos, b.sent.joint_pos)
        assert (a.obs.time, a.obs.late) == (b.obs.time, b.obs.late)


def test_ticks_are_never_late_and_telemetry_has_its_age() -> None:
    _, kept = walked(TwinDynamics(telemetry_latency_ms=20), 20)
    assert max(tick.obs.late for tick in kept.ticks) < 1e-3
    assert all(tick.sent.source == "policy" for tick in kept.ticks)


def test_the_gate_stops_a_robot_whose_driver_thinks_too_long() -> None:
    twin = Twin()
    gate = LockstepGate(twin)
    with lockstep(SPEC, twin) as robot:
        robot.reset()
        robot.observe()
        robot.send(Action(SPEC.stand))
        robot._clock.sleep_until(robot._clock.now() + 0.2)
        assert "no valid command for 150 ms" in robot.gate.cause
        assert robot.gate_stops == 1
    with pytest.raises(RobotError, match="not open"):
        gate.poll()


def test_a_soft_stop_can_be_asked_for() -> None:
    with lockstep(SPEC, Twin()) as robot:
        robot.reset()
        assert robot.send(Action(SPEC.stand, source="safety")).source == "safety"
        robot.observe()
        assert robot.gate.phase == "soft_stop"


def test_leaving_makes_the_robot_safe() -> None:
    twin, _ = walked(TwinDynamics(), 10)
    assert twin.firmware.drive.mode is Mode.IDLE
