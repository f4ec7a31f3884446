"""Dynamics files are typed, ranges are kept, and both simulators read the same grid."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import SpecError
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics, load_dynamics
from leash_robot.sim.randomization.sampling import SCALARS, Ranges, draw
from leash_robot.sim.twin import dynamics as twin_dynamics


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "heavy.yaml"
    file.write_text("mass: 1.2\nmotor: {coulomb: 0.05}\ncom_shift: [0.01, 0, 0]\n")
    dynamics = load_dynamics(file)
    assert (dynamics.mass, dynamics.motor.coulomb, dynamics.com_shift) == (1.2, 0.05, (0.01, 0.0, 0.0))
    assert dynamics.friction == NOMINAL.friction and dynamics.motor.viscous == NOMINAL.motor.viscous
    assert load_dynamics(None) == NOMINAL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight: 2", "unknown field `weight`"),
        ("mass: -1", "out of bounds; give a number >= 0.01"),
        ("motor: {stall: 3}", "unknown field `stall`"),
        ("joint_zero_deg: [1, 2]", "joint_zero_deg has 2 entries; Pupper has 12 joints"),
        ("slope_deg: steep", "slope_deg"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match="bad.yaml") as error:
        load_dynamics(file)
    assert message in str(error.value)


def test_a_grid_for_the_twin_is_read_by_this_simulator_too(tmp_path: Path) -> None:
    shared = set(Dynamics.__struct_fields__) & set(twin_dynamics.TwinDynamics.__struct_fields__)
    assert {"mass", "payload", "com_shift", "friction", "motor_strength", "kp", "kd", "joint_zero_deg"} <= shared
    file = tmp_path / "draw.yaml"
    file.write_text(
        "mass: 1.1\npayload: 0.2\nfriction: 0.5\nmotor_strength: 0.9\naction_latency_ms: 20\nslope_deg: 3\n"
    )
    ours, twins = load_dynamics(file), twin_dynamics.load_dynamics(file)
    for name in ("mass", "payload", "friction", "motor_strength", "action_latency_ms", "slope_deg"):
        assert getattr(ours, name) == getattr(twins, name)


@given(st.integers(0, 2**32 - 1))
def test_draws_stay_in_their_ranges(seed: int) -> None:
    ranges = Ranges()
    drawn = draw(ranges, np.random.default_rng(seed))
    for name in SCALARS:
        low, high = getattr(ranges, name)
        assert low <= getattr(drawn, name) <= high
    assert max(np.abs(drawn.com_shift)) <= ranges.com
    assert max(np.abs(drawn.joint_zero_deg)) <= ranges.joint_zero_deg
    assert ranges.noise[0] <= drawn.noise.gyro / NOMINAL.noise.gyro <= ranges.noise[1]


def test_the_same_seed_draws_the_same_machine() -> None:
    assert draw(Ranges(), np.random.default_rng(3)) == draw(Ranges(), np.random.default_rng(3))
    assert draw(Ranges(), np.random.default_rng(3)) != draw(Ranges(), np.random.default_rng(4))
