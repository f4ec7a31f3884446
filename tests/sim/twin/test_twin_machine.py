"""The twin in lock-step: homing, standing, falling, damage on the line, and what the dynamics change."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.bodies.pupper.protocol import (
    TelemetryParser,
    encode_command,
    encode_gains,
    encode_target,
)
from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.firmware.drive import Mode
from leash_robot.sim.firmware.firmware import lying
from leash_robot.sim.twin.dynamics import Imu, SerialLineDynamics, TwinDynamics, load_dynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.model import LIMITS, build
from leash_robot.sim.twin.motor import Motors
from leash_robot.sim.twin.serial_line import Channel
from support.paths import CONFIGS

SPEC = load_spec()
STAND = SPEC.stand
GAINS = encode_gains(50.0, 2.0, 7.0)
EXAMPLES = sorted((CONFIGS / "twins").glob("*.yaml"))


def frames(twin: Twin) -> list[Telemetry]:
    return TelemetryParser().feed(twin.read(), 0.0)


def ramp(twin: Twin, target: Array = STAND, seconds: float = 1.5) -> None:
    """Bring the joints to a pose as a host does: 20 targets a second."""
    twin.write(GAINS)
    start = twin.firmware.drive.pos.copy()
    steps = round(seconds * 20)
    for step in range(steps):
        twin.write(encode_target((start + (target - start) * (step + 1) / steps).tolist()))
        twin.advance(50)


def standing(dynamics: TwinDynamics | None = None, seed: int = 0) -> Twin:
    twin = Twin(dynamics, seed=seed)
    ramp(twin)
    twin.advance(500)
    twin.read()
    return twin


def test_the_body_weighs_and_reaches_what_the_tables_say() -> None:
    model = build(TwinDynamics())
    assert model.body_mass.sum() == pytest.approx(2.135)
    assert SPEC.legs is not None
    data = Twin().body.data
    feet = np.array([data.site(name).xpos for name in ("front_right", "front_left", "back_right", "back_left")])
    expected = forward(data.qpos[7:], SPEC.legs) + data.qpos[:3]
    np.testing.assert_allclose(feet, expected, atol=2e-3)


def test_it_ramps_to_the_stand_pose_and_stands() -> None:
    twin = standing()
    truth = twin.truth()
    assert not truth.fallen
    assert truth.height == pytest.approx(0.164, abs=0.004)
    assert truth.tilt < 0.02
    np.testing.assert_array_equal(truth.contacts, 1.0)
    np.testing.assert_allclose(twin.firmware.drive.pos, STAND, atol=0.06)
    twin.advance(3000)
    np.testing.assert_allclose(twin.truth().position, truth.position, atol=0.005)


def test_a_homed_twin_lies_still_with_its_clock_past_twenty_seconds() -> None:
    twin = Twin()
    twin.advance(1000)
    received = frames(twin)
    assert received[0].ts > 20_000
    assert all(max(map(abs, frame.vel)) < 0.02 for frame in received)
    np.testing.assert_allclose(received[-1].pos, lying(), atol=0.05)


def test_a_cold_boot_homes_within_ten_seconds_and_ends_lying_with_true_zeros() -> None:
    twin = Twin(boot="cold", seed=3)
    twin.advance(10_000)
    assert twin.firmware.drive.mode is Mode.POSITION
    np.testing.assert_allclose(twin.body.data.qpos[7:], twin.firmware.drive.pos, atol=math.radians(0.3))
    np.testing.assert_allclose(twin.firmware.drive.pos, lying(), atol=0.08)
    assert b"p[0],v[0]," in twin.read()
    ramp(twin)
    assert not twin.truth().fallen


def test_a_target_during_homing_leaves_a_wrong_zero() -> None:
    twin = Twin(boot="cold")
    twin.advance(1500)
    twin.write(encode_target([0.0] * 12))
    twin.advance(1000)
    assert twin.firmware.drive.mode is Mode.POSITION
    assert np.abs(twin.body.data.qpos[7:] - twin.firmware.drive.pos).max() > 0.5


@pytest.mark.parametrize("boot", ["homed", "cold"])
def test_joint_zero_errors_appear_in_the_reported_angles(boot: str) -> None:
    offsets = (2.0, -3.0, 1.0) * 4
    dynamics = TwinDynamics(joint_zero_deg=offsets)
    twin = Twin(dynamics, boot="cold" if boot == "cold" else "homed")
    twin.advance(10_000 if boot == "cold" else 100)
    error = np.degrees(twin.firmware.drive.pos - twin.body.data.qpos[7:])
    np.testing.assert_allclose(error, offsets, atol=0.1 if boot == "homed" else 1.0)


def test_power_cycling_homes_again_from_any_pose() -> None:
    twin = standing()
    twin.power_cycle()
    twin.advance(10_000)
    assert twin.firmware.ts == 10_000
    assert twin.firmware.drive.mode is Mode.POSITION
    np.testing.assert_allclose(twin.body.data.qpos[7:], twin.firmware.drive.pos, atol=math.radians(2.0))


def test_idle_lets_it_sink_to_the_floor() -> None:
    twin = standing()
    twin.write(encode_command({"idle": True}))
    twin.advance(1500)
    assert twin.truth().fallen


def test_a_push_moves_it_and_hands_put_it_back() -> None:
    twin = standing()
    twin.push(np.array([0.0, 3.0, 1.0]))
    twin.advance(1500)
    assert abs(twin.truth().position[1]) > 0.1
    twin.place()
    truth = twin.truth()
    assert truth.tilt < 1e-6
    np.testing.assert_array_equal(truth.position[:2], 0.0)
    np.testing.assert_array_equal(truth.velocity, 0.0)


@pytest.mark.parametrize(("seed", "slope"), [(0, 0.0), (1, 5.0), (2, -5.0), (3, 0.0)])
def test_set_on_its_feet_it_knows_at_once_which_way_is_down(seed: int, slope: float) -> None:
    twin = Twin(TwinDynamics(slope_deg=slope, bumps=0.01 * (seed % 2)), seed=seed)
    twin.advance(200)
    twin.place()
    roll, pitch, _ = twin.firmware.attitude.roll_pitch_yaw
    seen = [np.sin(pitch), -np.cos(pitch) * np.sin(roll), -np.cos(pitch) * np.cos(roll)]
    assert seen == pytest.approx(twin.truth().gravity, abs=1e-3)


def test_placed_in_any_pose_nothing_of_it_is_in_the_floor() -> None:
    twin = Twin()
    rng = np.random.default_rng(0)
    for _ in range(20):
        low, high = np.tile(np.array(LIMITS), (4, 1)).T
        twin.body.data.qpos[7:] = rng.uniform(low, high)
        twin.place()
        assert twin.body.data.ncon == 0
        assert twin.body._lowest() == pytest.approx(0.001)


def test_the_imu_tells_roll_and_pitch_as_they_are() -> None:
    twin = standing(TwinDynamics(imu=Imu(gyro_noise=0.0, accel_noise=0.0)))
    tilted = STAND.copy()
    tilted[[1, 4]] += 0.3
    tilted[[2, 5]] -= 0.5
    ramp(twin, tilted)
    twin.advance(6000)
    imu = frames(twin)[-1].imu
    assert imu is not None
    roll, pitch = imu[:2]
    gravity = np.array([math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch)])
    np.testing.assert_allclose(gravity, twin.truth().gravity, atol=0.01)
    assert twin.truth().tilt > 0.05
    assert pitch > 0.05, "the nose is down"


def test_gyro_bias_and_mounting_appear_in_the_telemetry() -> None:
    twin = Twin(TwinDynamics(imu=Imu(mount_deg=(0.0, 10.0, 0.0), gyro_bias=(0.1, -0.2, 0.3), gyro_noise=0.0)))
    twin.advance(100)
    imu = frames(twin)[-1].imu
    assert imu is not None
    np.testing.assert_allclose(imu[3:], [0.1, -0.2, 0.3], atol=0.01)
    assert imu[1] == pytest.approx(math.radians(10.0), abs=0.02), "a nose-down sensor on a level body"


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not() -> None:
    def recorded(seed: int) -> bytes:
        twin = Twin(TwinDynamics(line=SerialLineDynamics(bit_errors_to_host=1e-3)), seed=seed)
        twin.advance(500)
        return twin.read()

    assert recorded(1) == recorded(1) != recorded(2)


def test_bit_errors_and_drops_damage_frames_both_ways() -> None:
    line = SerialLineDynamics(bit_errors_to_robot=0.01, bit_errors_to_host=1e-3, drops_to_host=1e-3)
    twin = Twin(TwinDynamics(line=line))
    twin.advance(2000)
    assert 0 < len(frames(twin)) < 200
    twin.write(encode_command({"kp": 20.0}) * 50)
    twin.advance(10)
    assert b"Deserialize failed" in twin.read() or twin.firmware.drive.kp != 20.0 or twin.firmware.receiver.hung


@pytest.mark.parametrize("latency", [0.0, 7.0, 40.0])
def test_bytes_take_their_time_each_way(latency: float) -> None:
    channel = Channel(latency, 0.0, 0.0, np.random.default_rng(0))
    channel.put(b"a", 0.0)
    channel.put(b"b", 1.0)
    assert channel.take(latency - 0.5) == b""
    assert channel.take(latency) == b"a"
    assert channel.take(latency + 1.0) == b"b"


def test_latency_delays_the_action_and_the_telemetry() -> None:
    twin = Twin(TwinDynamics(action_latency_ms=30.0, telemetry_latency_ms=20.0))
    twin.write(encode_command({"kp": 33.0}))
    twin.advance(29)
    assert twin.firmware.drive.kp == 8.0
    twin.advance(1)
    assert twin.firmware.drive.kp == 33.0
    twin.read()
    twin.advance(200)
    assert twin.firmware.ts - frames(twin)[-1].ts >= 20


def test_what_nobody_reads_is_lost_in_the_end() -> None:
    twin = Twin()
    twin.advance(5000)
    assert len(twin.read()) < 70_000


@pytest.mark.parametrize(
    "dynamics",
    [
        TwinDynamics(mass=1.35, payload=0.25),
        TwinDynamics(mass=0.7, com_shift=(0.015, 0.015, 0.0)),
        TwinDynamics(friction=0.3, slope_deg=5.0),
        TwinDynamics(bumps=0.01),
        TwinDynamics(kp=0.7, kd=1.3, motor_strength=0.75, joint_friction=0.08),
        TwinDynamics(rotor_inertia=3.0, current_loop_ms=0.0, action_latency_ms=60.0),
        TwinDynamics(rotor_inertia=0.5, current_loop_ms=9.0),
    ],
)
def test_it_stands_on_every_floor_with_every_body(dynamics: TwinDynamics) -> None:
    twin = standing(dynamics)
    twin.advance(1000)
    assert not twin.truth().fallen
    assert np.abs(twin.truth().angular_velocity).max() < 0.2


def test_becoming_another_machine_keeps_the_pose_and_the_clock() -> None:
    twin = standing()
    before = twin.truth()
    twin.set_dynamics(TwinDynamics(mass=1.3, kp=0.8))
    assert twin.truth().time == before.time
    np.testing.assert_array_equal(twin.truth().position, before.position)
    assert twin.body.model.body_mass.sum() == pytest.approx(2.135 * 1.3)
    assert twin.firmware.drive.stiffness == pytest.approx(40.0)
    twin.advance(500)
    assert not twin.truth().fallen


def test_friction_decides_whether_it_slides_down_a_slope() -> None:
    slides = []
    for friction in (0.1, 0.9):
        twin = standing(TwinDynamics(friction=friction, slope_deg=15.0))
        start = twin.truth().position[0]
        twin.advance(1000)
        slides.append(start - twin.truth().position[0])
    assert slides[0] > 0.3 > 0.02 > slides[1]


def test_a_driving_motor_gives_less_than_one_that_holds_back() -> None:
    motors = Motors(TwinDynamics(current_loop_ms=0.0))
    motors.step(np.full(12, 5.0), np.zeros(12))
    np.testing.assert_allclose(motors.torque - motors.friction, 0.179 * 5 - 0.0404, atol=1e-3)
    np.testing.assert_allclose(motors.torque + motors.friction, 0.308 * 5 + 0.0404, atol=1e-3)


def test_speed_leaves_less_current_in_its_direction_only() -> None:
    motors = Motors(TwinDynamics(current_loop_ms=0.0))
    motors.step(np.full(12, 10.0), np.full(12, 52.4))
    np.testing.assert_allclose(motors.torque, 0.0, atol=1e-9)
    motors.step(np.full(12, -10.0), np.full(12, 52.4))
    np.testing.assert_allclose(motors.torque, -2.435, atol=1e-9)


def test_a_current_loop_follows_with_its_time_constant() -> None:
    motors = Motors(TwinDynamics(current_loop_ms=5.0))
    for _ in range(5):
        motors.step(np.ones(12), np.zeros(12))
    np.testing.assert_allclose(motors.torque, 0.2435 * (1 - math.exp(-1)), rtol=1e-6)


def test_joints_follow_a_sine_with_the_lag_of_the_real_robot() -> None:
    """Logs of the robot at kp 50, kd 5: gain 0.83-0.87 at 1 Hz, 0.61-0.64 at 2 Hz, in the air."""
    for hertz, low, high in ((1.0, 0.81, 0.89), (2.0, 0.58, 0.66)):
        twin = Twin()
        twin.body.model.opt.gravity[:] = 0.0
        twin.body.data.qpos[2] = 1.0
        twin.write(encode_gains(50.0, 5.0, 7.0))
        middle = np.tile([0.0, 0.6, -1.2], 4)
        twin.write(encode_target(middle.tolist()))
        twin.advance(2000)
        reached = []
        for ms in itertools.count(0, 5):
            wanted = middle + np.tile([0.0, 0.2, 0.0], 4) * math.sin(2 * math.pi * hertz * ms * 1e-3)
            twin.write(encode_target(wanted.tolist()))
            twin.advance(5)
            reached.append(twin.body.data.qpos[8] - middle[1])
            if ms >= 4000:
                break
        gain = (max(reached[400:]) - min(reached[400:])) / 0.4
        assert low < gain < high


def test_dynamics_files_are_typed_and_unknown_keys_refused(tmp_path: Path) -> None:
    file = tmp_path / "dynamics.yaml"
    file.write_text("mass: 1.1\nimu: {gyro_noise: 0.1}\n")
    assert load_dynamics(file) == TwinDynamics(mass=1.1, imu=Imu(gyro_noise=0.1))
    assert load_dynamics(None) == TwinDynamics()
    for wrong in ("weight: 2.0", "mass: 0", "mass: heavy", "joint_zero_deg: [1, 2]", "imu: {speed: 1}", "bumps: 3"):
        file.write_text(wrong)
        with pytest.raises(SpecError):
            load_dynamics(file)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_example_files_can_be_read_and_stood_on(file: Path) -> None:
    assert not standing(load_dynamics(file)).truth().fallen


def test_the_nominal_example_is_the_default() -> None:
    assert load_dynamics(EXAMPLES[0].with_name("nominal.yaml")) == TwinDynamics()
