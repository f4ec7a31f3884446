"""The motor model does what the robot's logs and the motor's data sheet say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.spec import Gains, load_spec
from leash_robot.sim.actuator import Law, law, torques
from leash_robot.sim.randomization.dynamics import Dynamics, Motor

STEP = 0.0025
STOCK = Gains(kp=50, kd=5, max_current=7)
NOMINAL = law(load_spec().gains, Dynamics(), STEP)


def torque(law: Law, *, position: float = 0.0, velocity: float = 0.0, target: float = 0.0) -> float:
    """Of one joint whose velocity filter has settled."""
    (result,), _ = torques([(position, velocity, (), 0.0)], [target], [velocity], law)
    return result


def sweep(frequency: float, amplitude: float = 0.3, inertia: float = 0.0032) -> tuple[float, float]:
    """Gain and lag [s] of a free joint that follows a sine under the stock gains, from a fit over whole periods."""
    rule, step = law(STOCK, Dynamics(), STEP), STEP
    position, velocity, filtered = 0.0, 0.0, [0.0]
    record = []
    for k in range(round(6 / frequency / step)):
        target = amplitude * math.sin(2 * math.pi * frequency * k * step)
        (pushed,), filtered = torques([(position, velocity, (), 0.0)], [target], filtered, rule)
        velocity += pushed / inertia * step
        position += velocity * step
        record.append(position)
    count = round(3 / frequency / step)
    angle = 2 * np.pi * frequency * step * np.arange(len(record))[-count:]
    tail = np.array(record[-count:])
    sine, cosine = 2 / count * (tail @ np.sin(angle)), 2 / count * (tail @ np.cos(angle))
    return math.hypot(sine, cosine) / amplitude, -math.atan2(cosine, sine) / (2 * math.pi * frequency)


@pytest.mark.parametrize(("frequency", "gain", "lag"), [(1.0, 0.843, 0.092), (2.0, 0.618, 0.073)])
def test_a_joint_follows_a_sine_as_the_robots_logs_do(frequency: float, gain: float, lag: float) -> None:
    measured_gain, measured_lag = sweep(frequency)
    assert measured_gain == pytest.approx(gain, abs=0.02)
    assert measured_lag == pytest.approx(lag, abs=0.012)


def test_a_driving_motor_gives_what_the_gearbox_leaves_and_a_driven_one_more() -> None:
    limp = NOMINAL._replace(kd=0.0)
    low, high = (torque(limp, velocity=5.0, target=amps / limp.kp) for amps in (2.0, 3.0))
    assert high - low == pytest.approx(0.179, abs=0.002)
    low, high = (torque(limp, velocity=-5.0, target=amps / limp.kp) for amps in (2.0, 3.0))
    assert high - low == pytest.approx(0.317, abs=0.002)


def test_no_torque_drives_a_joint_beyond_the_no_load_speed() -> None:
    assert torque(NOMINAL, velocity=53.0, target=10.0) < 0
    assert torque(NOMINAL, velocity=20.0, target=10.0) > 0.9
    assert torque(NOMINAL, velocity=47.0, target=10.0) < 0.6 * torque(NOMINAL, velocity=20.0, target=10.0)


def test_the_current_is_limited_both_ways() -> None:
    most = 7 * 0.2484
    assert torque(NOMINAL, target=10.0) == pytest.approx(most)
    assert torque(NOMINAL, target=-10.0) == pytest.approx(-most)


def test_friction_lets_a_small_push_only_creep() -> None:
    position, velocity, filtered = 0.0, 0.0, [0.0]
    free = NOMINAL._replace(kp=0.0, kd=0.0)
    for _ in range(400):
        (pushed,), filtered = torques([(position, velocity, (), 0.0)], [0.0], filtered, free)
        velocity += (pushed + 0.015) / 0.0028 * STEP
        position += velocity * STEP
    assert velocity == pytest.approx(0.015 / NOMINAL.grip, rel=0.05), (
        "where friction balances a push below the Coulomb friction"
    )
    assert velocity < 0.1, "without friction this would be 5 rad/s"


@given(st.floats(-60, 60), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.5, 1.5), st.floats(0, 0.1))
def test_friction_only_takes_energy_and_torque_stays_within_the_motor(
    velocity: float, position: float, target: float, strength: float, friction: float
) -> None:
    rule = law(STOCK, Dynamics(motor_strength=strength, joint_friction=friction), STEP)
    result = torque(rule, position=position, velocity=velocity, target=target)
    bare = torque(
        rule._replace(load_friction=0, coulomb=0, viscous=0), position=position, velocity=velocity, target=target
    )
    assert (result - bare) * velocity <= 1e-12
    assert abs(bare) <= 7 * 0.2484 * strength + 1e-12


@given(st.floats(-50, 50))
def test_a_joint_pulled_to_where_it_is_only_brakes(velocity: float) -> None:
    assert torque(NOMINAL, velocity=velocity) * velocity <= 0


def test_the_velocity_filter_forgets_with_its_time_constant() -> None:
    rule = law(STOCK, Dynamics(motor=Motor(velocity_filter=0.01)), STEP)
    filtered = [0.0]
    for _ in range(4):
        _, filtered = torques([(0.0, 1.0, (), 0.0)], [0.0], filtered, rule)
    assert filtered[0] == pytest.approx(1 - math.exp(-1), abs=0.05)


def test_targets_of_another_number_of_joints_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        torques([(0.0, 0.0, (), 0.0)], [0.0, 0.0], [0.0], NOMINAL)
