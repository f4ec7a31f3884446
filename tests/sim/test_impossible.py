"""Dynamics that cannot be simulated are said to be so, in one line, by either engine, at load or at run."""

import time
from pathlib import Path

import numpy as np
import pytest

from leash_robot.robot.errors import RobotError, SpecError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization import dynamics as bullet
from leash_robot.sim.randomization.sampling import FIXED, draw
from leash_robot.sim.twin import dynamics as mujoco
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()
DIVERGING = mujoco.TwinDynamics(rotor_inertia=0.01, inertia=0.01, motor_strength=10.0, kp=10.0, kd=10.0)
FILE = "rotor_inertia: 0.01\ninertia: 0.01\nmotor_strength: 10.0\nkp: 10.0\nkd: 10.0\n"
TOLD = "these dynamics cannot be simulated"


@pytest.mark.parametrize("engine", [bullet, mujoco])
@pytest.mark.parametrize("text", ["mass: 1.0e-9", "rotor_inertia: 0.001", "kd: 50", "mass: .nan", "friction: .inf"])
def test_a_file_with_a_value_that_no_machine_has_is_refused_by_name(engine: object, text: str, tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text(text)
    load = bullet.load_dynamics if engine is bullet else mujoco.load_dynamics
    with pytest.raises(SpecError, match=text.partition(":")[0]):
        load(file)


def test_a_twin_that_diverges_says_so_and_names_the_values() -> None:
    with pytest.raises(RobotError, match=rf"^{TOLD}: .*kp 10 \(1\)") as caught:
        Twin(DIVERGING)
    assert "rotor_inertia 0.01 (1)" in str(caught.value) and "\n" not in str(caught.value)


def test_a_twin_whose_joints_chatter_while_it_lies_still_says_so() -> None:
    with pytest.raises(RobotError, match=rf"{TOLD}: a robot that lies still moves its joints"):
        Twin(mujoco.TwinDynamics(rotor_inertia=0.01, kd=10.0))


def test_a_body_that_mujoco_cannot_even_compile_says_so() -> None:
    with pytest.raises(RobotError, match=TOLD):
        Twin(mujoco.TwinDynamics(mass=1e-9, rotor_inertia=1e-9, inertia=1e-6))


def test_a_twin_that_diverges_later_says_so_through_driver_and_gate() -> None:
    twin = Twin()
    with pytest.raises(RobotError, match=f"{TOLD}: the motion diverged"), lockstep(SPEC, twin) as robot:
        robot.reset()
        twin.body.data.qvel[8] = 1e12
        for _ in range(20):
            robot.observe()
            robot.send(Action(SPEC.stand))


def test_the_twins_process_says_so_and_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text(FILE)
    with pytest.raises(RobotError, match=rf"machine\.yaml: {TOLD}"), TwinProcess(TwinConfig(dynamics=file)):
        pass


def test_a_twins_process_that_ends_later_tells_its_owner_why() -> None:
    with pytest.raises(RobotError, match=TOLD), TwinProcess() as twin:
        twin.set_dynamics(DIVERGING)
        end = time.monotonic() + 30.0
        while twin.alive and time.monotonic() < end:
            time.sleep(0.02)


def test_pybullet_says_so_too() -> None:
    machine = bullet.Dynamics(mass=0.01, inertia=0.01)
    with (
        pytest.raises(RobotError, match=rf"{TOLD}: the joints race.*mass 0.01 \(1\)"),
        SimPupper(SPEC, machine) as robot,
    ):
        for _ in range(40):
            robot.observe()
            robot.send(Action(SPEC.stand))


def test_machines_at_the_ends_of_the_shipped_tables_can_be_simulated() -> None:
    from leash_robot.launch.options.tables import table
    from leash_robot.sim.randomization.twin_counterpart import counterpart

    for name in ("train", "outside", "hard"):
        drawn = draw(table(name), np.random.default_rng(4))
        Twin(counterpart(drawn))
        with SimPupper(SPEC) as robot:
            robot.become(drawn, 0)
    assert draw(FIXED, np.random.default_rng(0)) == bullet.NOMINAL
