"""The simulated body is the one in the tables, with joints where and which way the kinematics says."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.spec import Legs, load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.urdf import ASSET, BODY, Build, urdf
from leash_robot.sim.pybullet.world import World
from leash_robot.sim.randomization.dynamics import Dynamics, Motor

SPEC = load_spec()
LEGS = SPEC.legs or Legs(1, 1, 1, 1, 1, 1)
STEP = 0.0025


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(SPEC.gains, Dynamics(), STEP) as world:
        yield world


def masses(world: World) -> Array:
    """(13,) of the body and its twelve links [kg]."""
    return np.array([pybullet.getDynamicsInfo(world.body, link, world.client)[0] for link in range(-1, 12)])


def centre_of_mass(world: World) -> Array:
    """(3,) of the whole robot in the body frame [m]."""
    position, rotation = world.pose()
    base = pybullet.getBasePositionAndOrientation(world.body, world.client)[0]
    links = [pybullet.getLinkState(world.body, link, physicsClientId=world.client)[0] for link in range(12)]
    total: Array = (masses(world) @ (np.array([base, *links]) - position)) @ rotation / masses(world).sum()
    return total


def test_the_committed_urdf_is_the_one_that_the_tables_give() -> None:
    assert ASSET.read_text() == urdf()


def test_total_mass_and_centre_of_mass_are_those_of_the_tables(world: World) -> None:
    world.place(SPEC.stand, np.array([0.3, -0.2, 1.0]), 0.7)
    assert masses(world).sum() == pytest.approx(2.135, abs=1e-6)
    # Note: the table's (0.024, 0, -0.026) has the body's own centre 36 mm further ahead than we do.
    ahead = 0.024 - 0.036 * BODY.mass / 2.135
    assert centre_of_mass(world) == pytest.approx([ahead, 0.0, -0.026], abs=2e-3)


def test_no_link_has_zero_inertia_after_loading(world: World) -> None:
    for link in range(-1, 12):
        assert min(pybullet.getDynamicsInfo(world.body, link, world.client)[2]) > 5e-6


def test_no_joint_keeps_the_damping_it_is_born_with(world: World) -> None:
    assert all(pybullet.getJointInfo(world.body, joint, world.client)[6] == 0.0 for joint in range(12))


def test_joint_names_and_order_are_the_specs(world: World) -> None:
    names = [pybullet.getJointInfo(world.body, joint, world.client)[1].decode() for joint in range(12)]
    assert tuple(names) == SPEC.names


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=12, max_size=12), st.floats(-3, 3))
def test_feet_are_where_the_kinematics_says(world: World, share: list[float], yaw: float) -> None:
    joints = SPEC.lower + np.array(share) * (SPEC.upper - SPEC.lower)
    world.place(joints, np.array([0.3, 0.2, 1.0]), yaw)
    position, rotation = world.pose()
    assert position == pytest.approx([0.3, 0.2, 1.0], abs=1e-6)
    assert (world.feet() - position) @ rotation == pytest.approx(forward(joints, LEGS), abs=1e-6)


@pytest.mark.parametrize("knee", [2, 5, 8, 11])
def test_a_knee_feels_its_shank_and_half_of_its_rotor(knee: int) -> None:
    shank = 0.038 * (0.0658**2 + 0.0008**2) + 3e-5
    assert speed_after_a_push(knee) == pytest.approx(0.05 * STEP / (0.0014 + shank), rel=0.01)


@pytest.mark.parametrize("joint", range(12))
def test_a_lighter_rotor_is_quicker(joint: int) -> None:
    assert speed_after_a_push(joint, rotor=0.001) > 1.2 * speed_after_a_push(joint)


def speed_after_a_push(joint: int, rotor: float = 0.0028) -> float:
    """Of a joint whose other side cannot move, after a step of 0.05 N m."""
    with World(SPEC.gains, Dynamics(motor=Motor(reflected_inertia=rotor)), STEP) as world:
        world.place(np.zeros(12), np.array([0.0, 0.0, 1.0]), 0.0)
        for link in range(-1, joint):
            pybullet.changeDynamics(
                world.body, link, mass=1e6, localInertiaDiagonal=[1e6] * 3, physicsClientId=world.client
            )
        pybullet.setJointMotorControl2(
            world.body, joint, pybullet.TORQUE_CONTROL, force=0.05, physicsClientId=world.client
        )
        pybullet.stepSimulation(world.client)
        return float(pybullet.getJointState(world.body, joint, world.client)[1])


@pytest.mark.parametrize("joint", range(12))
def test_a_torque_turns_its_joint_the_way_the_angle_counts(joint: int) -> None:
    with World(SPEC.gains, Dynamics(), STEP) as world:
        world.place(np.zeros(12), np.array([0.0, 0.0, 1.0]), 0.0)
        before = world.feet()[joint // 3] - world.pose()[0]
        torque = [0.2 * (index == joint) for index in range(12)]
        for _ in range(10):
            pybullet.setJointMotorControlArray(
                world.body, range(12), pybullet.TORQUE_CONTROL, forces=torque, physicsClientId=world.client
            )
            pybullet.stepSimulation(world.client)
        moved = world.feet()[joint // 3] - world.pose()[0] - before
        assert pybullet.getJointState(world.body, joint, world.client)[0] > 0.01
        assert moved[1] > 0 if joint % 3 == 0 else moved[0] < 0, "abduction moves the foot left, hip and knee backward"


def test_scales_shifts_and_payloads_reach_the_physics() -> None:
    dynamics = Dynamics(mass=1.2, com_shift=(0.01, -0.005, 0.0), payload=0.2)
    with World(SPEC.gains, dynamics, STEP) as heavy, World(SPEC.gains, Dynamics(), STEP) as nominal:
        assert masses(heavy).sum() == pytest.approx(1.2 * 2.135 + 0.2, abs=1e-5)
        for world in (heavy, nominal):
            world.place(SPEC.stand, np.array([0.0, 0.0, 1.0]), 0.0)
        moved = centre_of_mass(heavy) - centre_of_mass(nominal)
        assert moved[1] == pytest.approx(-0.005 * 1.2 * 0.991 / (1.2 * 2.135 + 0.2), abs=1e-4)
        assert moved[2] > 0.003, "the payload sits on the back"


def test_becoming_another_machine_and_back_leaves_no_trace() -> None:
    with World(SPEC.gains, Dynamics(), STEP) as world:
        before = [pybullet.getDynamicsInfo(world.body, link, world.client)[:3] for link in range(-1, 12)]
        world.use(Dynamics(mass=1.3, rotor_inertia=2.0, friction=0.3))
        world.use(Dynamics())
        after = [pybullet.getDynamicsInfo(world.body, link, world.client)[:3] for link in range(-1, 12)]
        assert before == after


def test_adding_a_point_mass_keeps_the_first_moment() -> None:
    loaded = BODY.loaded(0.3, (0.1, 0.0, 0.05))
    expected = (BODY.mass * np.array(BODY.com) + 0.3 * np.array([0.1, 0.0, 0.05])) / (BODY.mass + 0.3)
    assert loaded.com == pytest.approx(expected)
    assert all(after > before for after, before in zip(loaded.inertia, BODY.inertia, strict=True))


def test_builds_differ_only_where_they_say() -> None:
    changed = [a for a, b in zip(urdf(Build(payload=0.1)).splitlines(), urdf().splitlines(), strict=True) if a != b]
    assert len(changed) == 1 and "inertial" in changed[0]
