"""The trot on two physics engines that know nothing of each other: no fall, and the speed that was asked."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from leash_robot.benchmarks.learning.gait import DIRECTIONS, BenchGait, error_percent, measure
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.bodies.pupper.protocol import encode_gains, encode_target
from leash_robot.robot.errors import RobotError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, unknown
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin

SPEC = load_spec()
TICK_MS = round(SPEC.period * 1e3)
WORST = 25.0
"""How much of the commanded speed may be missing or too much [%]."""


def velocity(truths: list[GroundTruth]) -> list[float]:
    """Mean vx, vy, yaw rate in the body frame, the first five seconds left out."""
    rows = np.array([[*truth.velocity[:2], truth.angular_velocity[2]] for truth in truths[100:]])
    return [float(value) for value in rows.mean(axis=0)]


def on_the_twin(twin: Twin, command: Array, seconds: float) -> list[GroundTruth]:
    """Trot on a twin that stands, in lock-step over its own bytes; blind, for no telemetry is read."""
    trot, truths = Trot(SPEC), []
    for k in range(round(seconds * SPEC.rate)):
        nothing = unknown(12)
        seen = Observation(k * SPEC.period, 0.0, nothing, nothing, nothing, unknown(3), unknown(3), command)
        twin.write(encode_target(trot.act(seen).joint_pos.tolist()))
        twin.advance(TICK_MS)
        truths.append(twin.truth())
    return truths


def standing(dynamics: TwinDynamics) -> Twin:
    """A twin that was brought from lying to the stand pose in two seconds."""
    twin = Twin(dynamics)
    twin.write(encode_gains(SPEC.gains.kp, SPEC.gains.kd, SPEC.gains.max_current))
    for share in np.linspace(0.0, 1.0, 40):
        twin.write(encode_target((SPEC.rest + share * (SPEC.stand - SPEC.rest)).tolist()))
        twin.advance(TICK_MS)
    return twin


def in_pybullet(dynamics: Dynamics, command: Array, seconds: float) -> list[GroundTruth]:
    """Trot in PyBullet from the stand pose."""
    trot, truths = Trot(SPEC), []
    with SimPupper(SPEC, dynamics) as robot:
        robot.reset()
        for _ in range(round(seconds * SPEC.rate)):
            robot.send(trot.act(replace(robot.observe(), command=command)))
            truths.append(robot.truth())
    return truths


def test_in_pybullet_it_walks_thirty_seconds_in_every_direction() -> None:
    figures = measure(BenchGait(robot="sim", seconds=30.0))
    assert figures["no_fall"]
    assert figures["error_percent_max"] < WORST
    assert set(figures["sim"]) == set(DIRECTIONS)


@pytest.mark.parametrize("direction", ["forward", "sideways", "turn"])
def test_on_the_twin_it_walks_thirty_seconds_at_the_speed_asked(direction: str) -> None:
    command = DIRECTIONS[direction]
    truths = on_the_twin(standing(TwinDynamics()), np.array(command), 30.0)
    assert not any(truth.fallen for truth in truths)
    assert error_percent(command, velocity(truths)) < WORST


MACHINES = {
    "heavy": {"mass": 1.2},
    "light": {"mass": 0.8},
    "slippery": {"friction": 0.5},
    "sticky": {"friction": 1.2},
    "late": {"action_latency_ms": 40.0},
    "weak": {"motor_strength": 0.85},
    "strong": {"motor_strength": 1.15},
}


@pytest.mark.parametrize("machine", MACHINES)
def test_it_walks_on_other_machines_and_floors_too(machine: str) -> None:
    command = DIRECTIONS["arc"]
    walks = (
        in_pybullet(msgspec.convert(MACHINES[machine], Dynamics), np.array(command), 12.0),
        on_the_twin(standing(msgspec.convert(MACHINES[machine], TwinDynamics)), np.array(command), 12.0),
    )
    for truths in walks:
        assert not any(truth.fallen for truth in truths)
        assert error_percent(command, velocity(truths)) < WORST


def test_it_survives_any_sequence_of_commands() -> None:
    trot, rng = Trot(SPEC), np.random.default_rng(0)
    with SimPupper(SPEC) as robot:
        robot.reset()
        for k in range(600):
            if k % 12 == 0:
                command = np.array([0.4, 0.15, 1.0]) * rng.choice([-1.0, 0.0, 1.0], 3)
            robot.send(trot.act(replace(robot.observe(), command=command)))
            assert not robot.fallen


def test_standing_up_from_a_trot_ends_at_rest() -> None:
    trot = Trot(SPEC)
    with SimPupper(SPEC) as robot:
        robot.reset()
        for k in range(100):
            wish = np.array([0.25, 0.0, 0.0]) if k < 60 else unknown(3)
            sent: Action = robot.send(trot.act(replace(robot.observe(), command=wish)))
        assert np.array_equal(sent.joint_pos, SPEC.stand)
        assert np.abs(robot.truth().velocity).max() < 0.02


def test_an_unknown_direction_is_refused_by_name() -> None:
    with pytest.raises(RobotError, match="'up'"):
        measure(BenchGait(robot="sim", directions=("up",)))


def test_the_error_is_that_of_the_worst_commanded_entry() -> None:
    assert error_percent((0.2, 0.0, 0.4), [0.25, 0.1, 0.4]) == pytest.approx(25.0)
    assert error_percent((0.2, 0.0, 0.0), [float("nan"), 0.0, 0.0]) == pytest.approx(100.0)
