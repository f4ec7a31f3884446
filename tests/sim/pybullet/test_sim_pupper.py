"""The simulated Pupper: time, latencies, noise, floors, falls, and independence of its instances."""

import math
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from leash_robot.robot.errors import RobotError, SpecError
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Action, Array, Observation
from leash_robot.sim.actuator import Law
from leash_robot.sim.pybullet.robot import SimPupper, steps_per_tick
from leash_robot.sim.pybullet.world import World
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics, SensorNoise

SPEC = load_spec()
QUIET = Dynamics(noise=SensorNoise(0.0, 0.0, 0.0, 0.0))
CROUCH = SPEC.stand + np.tile([0.0, 0.2, -0.3], 4)


@pytest.fixture
def robot() -> Iterator[SimPupper]:
    with SimPupper(SPEC, QUIET) as robot:
        yield robot


def hold(robot: SimPupper, target: Array, ticks: int) -> Observation:
    """The observation after so many ticks of one target."""
    for _ in range(ticks):
        robot.send(Action(target))
    return robot.observe()


def with_(**changes: object) -> Dynamics:
    """The noiseless nominal machine with changes."""
    return msgspec.structs.replace(QUIET, **changes)


def test_standing_sags_as_the_gains_and_the_weight_say(robot: SimPupper) -> None:
    sag = hold(robot, SPEC.stand, 40).joint_pos - SPEC.stand
    hip, knee = sag.reshape(4, 3)[:, 1:].mean(axis=0)
    assert -0.035 < hip < -0.005 and -0.05 < knee < -0.015, "logs of the robot show -0.02 to -0.05 rad"
    assert robot.truth().height == pytest.approx(0.1635, abs=0.002)


@pytest.mark.parametrize(
    ("stiffness", "hip", "knee", "height"), [(9.0, -0.019, -0.038, 0.1635), (4.0, -0.058, -0.090, 0.158)]
)
def test_an_ideal_servo_sags_as_measured_elsewhere(stiffness: float, hip: float, knee: float, height: float) -> None:
    with World(SPEC.gains, QUIET, 0.0025) as world:
        world.law = Law(stiffness, 0.4, 1.7, 1.0, 0.0, 0.0, 0.0, 100.0, 1.0, 1.0, 0.0)
        world.place(SPEC.stand, np.array([0.0, 0.0, 0.168]), 0.0)
        world.run(800, SPEC.stand.tolist())
        sag = np.array([joint[0] for joint in world.sample().joints]) - SPEC.stand
        assert sag.reshape(4, 3)[:, 1:].mean(axis=0) == pytest.approx([hip, knee], abs=0.006)
        assert world.truth().height == pytest.approx(height, abs=0.001)


def test_softer_gains_sag_further() -> None:
    soft = msgspec.structs.replace(SPEC, gains=msgspec.structs.replace(SPEC.gains, kp=14.0))
    with SimPupper(soft, QUIET) as robot:
        hold(robot, SPEC.stand, 40)
        assert 0.145 < robot.truth().height < 0.157


def test_standing_still_is_still(robot: SimPupper) -> None:
    hold(robot, SPEC.stand, 40)
    start = robot.truth()
    assert np.abs(start.angular_velocity).max() < 1e-3, "joints that chatter against their friction would shake the IMU"
    hold(robot, SPEC.stand, 100)
    end = robot.truth()
    assert np.abs(end.position - start.position).max() < 1e-3
    assert np.abs(end.velocity).max() < 0.01
    assert end.contacts.tolist() == [1, 1, 1, 1]


def test_virtual_time_advances_by_one_period_a_tick(robot: SimPupper) -> None:
    times = []
    for _ in range(5):
        obs = robot.observe()
        times.append(obs.time + obs.age)
        robot.send(Action(SPEC.stand))
    assert np.diff(times) == pytest.approx([SPEC.period] * 4)
    assert robot.truth().time == pytest.approx(5 * SPEC.period)


def test_observing_without_sending_holds_the_target_and_lets_time_pass(robot: SimPupper) -> None:
    robot.observe()
    robot.send(Action(CROUCH))
    first = robot.observe()
    second = robot.observe()
    assert second.time - first.time == pytest.approx(SPEC.period)
    for _ in range(10):
        robot.observe()
    assert np.abs(robot.observe().joint_pos - CROUCH).max() < 0.1


@pytest.mark.parametrize("latency", [0.0, 10.0, 35.0, 50.0, 85.0, 120.0])
def test_a_command_takes_effect_after_the_latency(latency: float) -> None:
    with SimPupper(SPEC, with_(action_latency_ms=latency, telemetry_latency_ms=0.0)) as robot:
        robot.observe()
        still = robot.world.sample().joints[1][0]
        moved = []
        for _ in range(4):
            robot.send(Action(CROUCH))
            moved.append(abs(robot.observe().joint_pos[1] - still) > 1e-3)
        assert moved == [50.0 * (tick + 1) > latency for tick in range(4)]


def test_latency_is_finer_than_a_tick() -> None:
    moved = []
    for latency in (5.0, 15.0, 25.0, 35.0):
        with SimPupper(SPEC, with_(action_latency_ms=latency, telemetry_latency_ms=0.0)) as robot:
            robot.send(Action(CROUCH))
            moved.append(float(robot.observe().joint_pos[1]))
    assert moved == sorted(moved, reverse=True) and moved[0] - moved[-1] > 0.05


def test_telemetry_is_as_old_as_it_says() -> None:
    with (
        SimPupper(SPEC, with_(telemetry_latency_ms=20.0)) as old,
        SimPupper(SPEC, with_(telemetry_latency_ms=0.0)) as new,
    ):
        for robot in (old, new):
            robot.send(Action(CROUCH))
        then, now = old.observe(), new.observe()
        assert then.age == pytest.approx(0.02) and now.age == 0.0
        assert now.time - then.time == pytest.approx(0.02)
        assert abs(then.joint_pos[1] - SPEC.stand[1]) < abs(now.joint_pos[1] - SPEC.stand[1])


def test_telemetry_older_than_a_tick_is_refused() -> None:
    with pytest.raises(SpecError, match="below a tick, 50"):
        SimPupper(SPEC, with_(telemetry_latency_ms=50.0))


def test_a_physics_rate_that_no_tick_is_a_multiple_of_is_refused() -> None:
    with pytest.raises(SpecError, match="410 Hz is no whole multiple"):
        SimPupper(SPEC, physics_rate=410)
    assert steps_per_tick(SPEC, 500) == 25


def test_noise_has_the_size_that_was_asked(robot: SimPupper) -> None:
    noise = SensorNoise(joint_pos=0.01, joint_vel=0.1, gravity=0.02, gyro=0.2)
    with SimPupper(SPEC, with_(noise=noise)) as noisy:
        readings = [hold(noisy, SPEC.stand, 1) for _ in range(150)]
        clean = hold(robot, SPEC.stand, 150)
    assert np.std([r.joint_pos - clean.joint_pos for r in readings]) == pytest.approx(0.01, rel=0.1)
    assert np.std([r.joint_vel for r in readings]) == pytest.approx(0.1, rel=0.1)
    assert np.std([r.gravity[:2] for r in readings]) == pytest.approx(0.02, rel=0.2)
    assert np.std([r.gyro for r in readings]) == pytest.approx(0.2, rel=0.1)


def test_a_wrong_zero_shows_in_what_is_measured_and_in_where_the_joint_goes() -> None:
    zeros = (0.0, 3.0, *[0.0] * 10)
    with SimPupper(SPEC, with_(joint_zero_deg=zeros)) as robot:
        obs = hold(robot, SPEC.stand, 20)
        true = robot.world.sample().joints[1][0]
    assert obs.joint_pos[1] - true == pytest.approx(math.radians(3.0), abs=0.02)
    assert abs(obs.joint_pos[1] - SPEC.stand[1]) < 0.05


def test_biases_are_added_to_the_imu() -> None:
    with SimPupper(SPEC, with_(gyro_bias=(0.1, 0.0, -0.2), gravity_bias=(0.05, 0.0, 0.0))) as robot:
        obs = hold(robot, SPEC.stand, 40)
    assert obs.gyro == pytest.approx([0.1, 0.0, -0.2], abs=0.01)
    assert obs.gravity[0] == pytest.approx(0.05, abs=0.02)


def test_the_same_seed_and_actions_give_the_same_motion_whatever_was_before() -> None:
    def motion(robot: SimPupper) -> list[float]:
        robot.become(NOMINAL, seed=3)
        rng = np.random.default_rng(1)
        seen: list[float] = []
        for _ in range(15):
            robot.send(Action(SPEC.stand + rng.uniform(-0.3, 0.3, 12)))
            seen += robot.observe().joint_pos.tolist()
        return seen

    with SimPupper(SPEC) as first, SimPupper(SPEC, seed=9) as second:
        expected = motion(first)
        hold(second, CROUCH, 7)
        assert motion(second) == expected
        assert motion(first) == expected


def test_instances_do_not_disturb_each_other(robot: SimPupper) -> None:
    with SimPupper(SPEC, QUIET) as other:
        for _ in range(20):
            robot.send(Action(SPEC.stand))
            other.send(Action(CROUCH))
        assert robot.truth().height - other.truth().height > 0.01
    assert np.isfinite(robot.observe().joint_pos).all(), "closing one leaves the other alive"


def test_a_soft_stop_lets_the_robot_sink_and_a_target_lifts_it_again(robot: SimPupper) -> None:
    hold(robot, SPEC.stand, 5)
    for _ in range(40):
        sent = robot.send(Action(SPEC.stand + 0.2, source="safety"))
    assert sent.source == "safety"
    assert np.array_equal(sent.joint_pos, SPEC.stand)
    assert robot.truth().height < 0.1
    hold(robot, SPEC.stand, 40)
    assert robot.truth().height > 0.1


def test_lying_on_the_back_is_a_fall(robot: SimPupper) -> None:
    truth = replace(robot.truth(), gravity=np.array([0.0, 0.0, 1.0]))
    assert truth.tilt == pytest.approx(math.pi) and truth.fallen
    assert not robot.fallen


@pytest.mark.parametrize("pose", [SPEC.stand, CROUCH, SPEC.rest])
def test_it_can_be_placed_anywhere_in_any_pose(robot: SimPupper, pose: Array) -> None:
    robot.place(2.0, -1.0, 1.5, pose)
    truth = robot.truth()
    assert truth.position[:2] == pytest.approx([2.0, -1.0], abs=0.02)
    assert np.abs(robot.observe().joint_pos - pose).max() < 0.1
    assert np.abs(truth.velocity).max() < 0.05


def test_a_slope_tilts_gravity_and_a_slippery_one_lets_the_robot_slide() -> None:
    with SimPupper(SPEC, with_(slope_deg=10.0)) as robot:
        obs = hold(robot, SPEC.stand, 40)
        assert obs.gravity[0] == pytest.approx(-math.sin(math.radians(10)), abs=0.05)
        assert robot.truth().position[0] > -0.1
        robot.become(with_(slope_deg=10.0, friction=0.05), seed=0)
        hold(robot, SPEC.stand, 40)
        assert robot.truth().position[0] < -0.3


def test_a_kick_moves_the_body(robot: SimPupper) -> None:
    robot.world.kick(np.array([0.0, 0.5, 0.0]))
    assert robot.truth().velocity[1] == pytest.approx(0.5, abs=0.02)


def test_a_leg_does_not_pass_through_its_body() -> None:
    with SimPupper(SPEC, QUIET) as robot:
        inward = SPEC.stand + np.tile([0.0, 0.0, -1.6], 4)
        inward[[0, 6]], inward[[3, 9]] = 0.75, -0.75
        for _ in range(30):
            robot.send(Action(inward))
        touching = robot.world.touching_itself()
        assert touching


def test_outside_its_block_it_says_how_to_use_it() -> None:
    robot = SimPupper(SPEC)
    with pytest.raises(RobotError, match="with SimPupper"):
        robot.reset()
    with robot:
        robot.reset()
    with pytest.raises(RobotError, match="with SimPupper"):
        robot.observe()


def test_it_is_the_robot_of_its_spec_and_closing_twice_does_no_harm(robot: SimPupper) -> None:
    assert robot.spec is SPEC
    robot.world.close()
    robot.world.close()


def test_in_real_time_it_waits_for_the_slot() -> None:
    fast: Spec = msgspec.structs.replace(SPEC, rate=100.0)
    with SimPupper(fast, QUIET, realtime=True) as robot:
        first = robot.observe()
        for _ in range(5):
            robot.send(Action(SPEC.stand))
            last = robot.observe()
    assert last.time - first.time >= 5 * fast.period - 1e-6


def test_frames_come_at_the_cameras_rate_with_their_capture_times() -> None:
    with SimPupper(SPEC, QUIET, camera=True) as robot:
        frames, ages = [], []
        for _ in range(6):
            obs = robot.observe()
            frames.append(obs.images["head"])
            ages.append(obs.time + obs.age - obs.images["head"].time)
            robot.send(Action(SPEC.stand))
    assert frames[0].rgb.shape == (480, 640, 3)
    assert all(-1e-9 <= age < 1 / 30 for age in ages)
    steps = np.diff([frame.time for frame in frames]) * 30
    assert steps == pytest.approx(np.rint(steps)) and set(np.rint(steps)) == {1, 2}


def test_a_slow_camera_repeats_its_frame() -> None:
    slow = msgspec.structs.replace(SPEC.cameras["head"], rate=5.0, width=32, height=32)
    with SimPupper(msgspec.structs.replace(SPEC, cameras={"head": slow}), QUIET, camera=True) as robot:
        frames = [hold(robot, SPEC.stand, 1).images["head"] for _ in range(8)]
    assert len({id(frame) for frame in frames}) == 3
    assert np.diff(sorted({frame.time for frame in frames})) == pytest.approx([0.2, 0.2])


def test_without_cameras_there_are_no_images(robot: SimPupper) -> None:
    assert robot.observe().images == {}
