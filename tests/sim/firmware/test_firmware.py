"""The firmware as a state machine, without physics: boot, modes, gains, faults, telemetry bytes."""

import math

import numpy as np
import pytest

from leash_robot.robot.bodies.pupper.protocol import (
    TelemetryParser,
    encode_command,
    encode_gains,
    encode_target,
    encode_telemetry,
)
from leash_robot.robot.types import Array
from leash_robot.sim.firmware.cartesian import feet, jacobians
from leash_robot.sim.firmware.drive import Mode, constrain
from leash_robot.sim.firmware.firmware import HEADER, Firmware, lying
from leash_robot.sim.firmware.homing import SIGNS
from leash_robot.sim.firmware.imu import Attitude

COUNTS_PER_RADIAN = 8192 * 36 / (2 * math.pi)
STILL = np.zeros(12)


def counts_at(joints: Array) -> Array:
    """Rotor counts of a firmware whose zero was set with all joints at zero."""
    return np.round(joints * SIGNS * COUNTS_PER_RADIAN)


def homed(variant: str = "icm20948", joints: Array = STILL) -> Firmware:
    firmware = Firmware("head" if variant == "head" else "icm20948")
    firmware.skip_boot(counts_at(joints), joints)
    return firmware


def run(firmware: Firmware, ms: int, joints: Array = STILL, speed: Array = STILL) -> Array:
    """Hold the joints there for a while; returns the last currents in joint directions [A]."""
    currents = STILL
    for _ in range(ms):
        currents = firmware.step(counts_at(joints), np.round(speed * SIGNS * 36 * 60 / (2 * math.pi)))
    return np.asarray(currents * SIGNS / 1000.0)


def tell(firmware: Firmware, **fields: object) -> None:
    firmware.receive(encode_command(fields))


def test_boot_takes_a_second_then_prints_the_header_and_starts_homing() -> None:
    firmware = Firmware()
    run(firmware, 1049)
    assert firmware.transmit() == b""
    run(firmware, 1)
    assert firmware.transmit() == HEADER.encode()
    assert HEADER.endswith("p[10],v[10],p[11],v[11],\r\n")
    assert firmware.drive.mode is Mode.HOMING


def test_bytes_that_arrive_while_the_led_blinks_are_lost() -> None:
    firmware = Firmware()
    run(firmware, 500)
    tell(firmware, kp=33.0)
    run(firmware, 600)
    assert firmware.drive.kp == 8.0


def test_boot_gains_are_those_of_the_stock_firmware() -> None:
    drive = Firmware().drive
    assert (drive.kp, drive.kd, drive.max_current) == (8.0, 2.0, 0.0)


def test_a_telemetry_frame_is_byte_for_byte_what_the_firmware_sends() -> None:
    firmware = homed("head")
    firmware.ts = 29_999
    firmware.transmit()
    run(firmware, 1, joints=np.zeros(12))
    numbers = b"\xca\x00\x00\x00\x00"
    zeros = b"".join(b"%c%s%s" % (0xA0 + len(key), key, numbers) for key in IMU_KEYS)
    arrays = b"\xa3pos\x9c" + numbers * 12 + b"\xa3vel\x9c" + numbers * 12
    frame = firmware.transmit().replace(b"\xca\x80\x00\x00\x00", numbers)
    assert frame == b"EE\x00\xd4" + b"\x89\xa2ts\xcd\x75\x30" + zeros + arrays + b"\r\n"


IMU_KEYS = (b"yaw", b"pitch", b"roll", b"yaw_rate", b"pitch_rate", b"roll_rate")


def test_telemetry_is_what_the_hosts_encoder_would_write() -> None:
    firmware = homed("head", joints=lying())
    firmware.ts = 65_599
    run(firmware, 1, joints=lying())
    drive = firmware.drive
    assert firmware.transmit() == encode_telemetry(65_600, drive.pos.tolist(), drive.vel.tolist())


@pytest.mark.parametrize(("ts", "length"), [(99, 210), (199, 211), (65_529, 212), (65_539, 214), (2**32 + 9, 210)])
def test_the_payload_grows_with_the_time_stamp(ts: int, length: int) -> None:
    firmware = homed()
    firmware.ts = ts
    run(firmware, 1)
    assert int.from_bytes(firmware.transmit()[2:4], "big") == length


def test_telemetry_comes_at_100_hz_and_debug_switches_it() -> None:
    firmware = homed()
    parser = TelemetryParser()
    run(firmware, 200)
    frames = parser.feed(firmware.transmit(), 0.0)
    assert len(frames) == 20
    assert set(np.diff([frame.ts for frame in frames])) == {10.0}
    tell(firmware, debug=False)
    run(firmware, 100)
    assert firmware.transmit() == b""
    tell(firmware, debug=True)
    run(firmware, 100)
    assert len(parser.feed(firmware.transmit(), 0.0)) == 10


def test_positions_and_velocities_are_in_joint_directions() -> None:
    firmware = homed()
    angles, speeds = np.linspace(-1, 1, 12), np.linspace(5, -5, 12)
    run(firmware, 10, joints=angles, speed=speeds)
    (frame,) = TelemetryParser().feed(firmware.transmit(), 0.0)
    np.testing.assert_allclose(frame.pos, angles, atol=2.2e-5)
    np.testing.assert_allclose(frame.vel, speeds, atol=1.5e-3)


def test_position_mode_is_a_pd_in_amps_with_zero_velocity_reference() -> None:
    firmware = homed()
    firmware.receive(encode_gains(10.0, 0.5, 7.0) + encode_target([0.3] * 12))
    current = run(firmware, 1, joints=np.full(12, 0.1), speed=np.full(12, 2.0))
    np.testing.assert_allclose(current, 10 * (0.3 - 0.1) - 0.5 * 2.0, atol=3e-3)
    assert firmware.drive.mode is Mode.POSITION


def test_currents_are_clipped_to_max_current() -> None:
    firmware = homed()
    firmware.receive(encode_gains(50.0, 2.0, 3.0) + encode_target([1.0, -1.0] * 6))
    np.testing.assert_array_equal(run(firmware, 1), [3.0, -3.0] * 6)


def test_there_is_no_command_watchdog() -> None:
    firmware = homed()
    firmware.receive(encode_gains(10.0, 0.0, 7.0) + encode_target([0.2] * 12))
    first = run(firmware, 1)
    np.testing.assert_array_equal(run(firmware, 20_000), first)


def test_idle_cuts_the_current_until_the_next_target() -> None:
    firmware = homed()
    firmware.receive(encode_target([0.2] * 12))
    tell(firmware, idle=True)
    np.testing.assert_array_equal(run(firmware, 5), STILL)
    firmware.receive(encode_target([0.2] * 12))
    assert (run(firmware, 1) > 0).all()


def test_target_and_idle_in_one_frame_end_in_idle() -> None:
    firmware = homed()
    tell(firmware, idle=True, pos=[0.2] * 12)
    assert firmware.drive.mode is Mode.IDLE


def test_activations_switch_single_motors() -> None:
    firmware = homed()
    tell(firmware, pos=[0.2] * 12)
    tell(firmware, activations=[1, 0] * 6)
    np.testing.assert_array_equal(run(firmware, 1) > 0, [True, False] * 6)


def test_zero_takes_the_present_pose_as_zero() -> None:
    firmware = homed()
    run(firmware, 1, joints=np.full(12, 0.4))
    tell(firmware, zero=True)
    run(firmware, 1, joints=np.full(12, 0.5))
    np.testing.assert_allclose(firmware.drive.pos, 0.1, atol=5e-5)


def test_a_bad_array_length_is_answered_in_text_and_nothing_of_the_map_is_done() -> None:
    firmware = homed()
    tell(firmware, kp=33.0, pos=[0.0] * 11)
    assert firmware.transmit() == b"Error: Invalid number of parameters in position command.\r\n"
    assert firmware.drive.kp == 8.0


def test_an_unreadable_payload_is_answered_in_text() -> None:
    firmware = homed()
    firmware.receive(b"\x00\x01\xc1")
    assert firmware.transmit() == b"Deserialize failed: InvalidInput\r\n"


def test_a_joint_beyond_a_full_turn_is_a_fault_that_prints_each_millisecond_and_is_not_latched() -> None:
    firmware = homed()
    tell(firmware, debug=False)
    tell(firmware, pos=[0.0] * 12)
    bent = STILL.copy()
    bent[4] = 6.3
    np.testing.assert_array_equal(run(firmware, 3, joints=bent), STILL)
    line = b"actuator[4] hit fault position: 6.28\r\nERROR\r\n"
    assert firmware.transmit() == line * 3
    run(firmware, 2)
    assert firmware.transmit() == b"ERROR\r\n" * 2, "stays in error without a command"
    tell(firmware, pos=[0.1] * 12)
    assert (run(firmware, 1) > 0).all()
    assert firmware.transmit() == b""


def test_several_large_angles_that_are_each_within_a_turn_are_no_fault() -> None:
    firmware = homed()
    run(firmware, 1, joints=np.full(12, 6.2))
    assert firmware.drive.mode is Mode.POSITION


def test_more_than_ten_amps_is_a_fault_that_takes_effect_a_tick_later() -> None:
    firmware = homed()
    tell(firmware, debug=False)
    firmware.receive(encode_gains(10.0, 0.0, 5.0) + encode_target([0.2] * 12))
    before = run(firmware, 1)
    firmware.receive(encode_gains(100.0, 0.0, 20.0))
    np.testing.assert_array_equal(run(firmware, 1), before)
    assert firmware.transmit() == b"Requested current too large. Erroring out.\r\n"
    np.testing.assert_array_equal(run(firmware, 1), STILL)
    assert firmware.transmit() == b"ERROR\r\n"


def test_a_target_that_is_no_number_makes_its_joint_limp() -> None:
    firmware = homed()
    with np.errstate(invalid="ignore"):
        tell(firmware, pos=[math.nan] + [0.2] * 11)
        current = run(firmware, 1)
    assert current[0] == 0.0
    assert (current[1:] > 0).all()


def test_a_negative_limit_is_no_clip_but_a_constant_current() -> None:
    np.testing.assert_array_equal(constrain(np.array([-3.0, 0.0, 0.5, 3.0]), -1.0), [1.0, 1.0, 1.0, -1.0])


def test_a_target_during_homing_ends_it_with_the_zero_where_it_was() -> None:
    firmware = Firmware()
    run(firmware, 1200)
    zero = firmware.drive.zero.copy()
    firmware.receive(encode_target([0.0] * 12))
    assert firmware.drive.mode is Mode.POSITION
    run(firmware, 1000)
    np.testing.assert_array_equal(firmware.drive.zero, zero)


def test_homing_against_stops_that_do_not_yield_sets_every_zero_and_ends_lying() -> None:
    """Joints that follow their reference exactly, but never beyond their stops."""
    firmware = Firmware()
    drive, joints = firmware.drive, np.tile([0.1, 1.4, -2.5], 4)
    low, high = np.tile([-0.8104, -1.33, -2.9048], 4), np.tile([0.8104, 4.4756, 2.9048], 4)
    start, order = joints.copy(), []
    for _ in range(12_000):
        firmware.step(np.round((joints - start) * SIGNS * COUNTS_PER_RADIAN), STILL)
        # Where the firmware believes its joints to be, brought back to where they are.
        joints = np.clip(joints + drive.reference - drive.pos, low, high)
        order.append(drive.mode)
        if drive.mode is Mode.POSITION:
            break
    assert order[-1] is Mode.POSITION
    for _ in range(10):
        firmware.step(np.round((joints - start) * SIGNS * COUNTS_PER_RADIAN), STILL)
        joints = np.clip(joints + drive.reference - drive.pos, low, high)
    np.testing.assert_allclose(joints, lying(), atol=1e-3)
    np.testing.assert_allclose(drive.pos, lying(), atol=1e-3)
    assert drive.max_current == 6.0


def test_knees_home_before_abductions_and_these_before_hips() -> None:
    firmware = Firmware()
    run(firmware, 1050)
    before = firmware.drive.reference.copy()
    run(firmware, 100)
    np.testing.assert_array_equal(np.flatnonzero(firmware.drive.reference != before), [2, 5, 8, 11])
    assert (firmware.drive.reference[2::3] < before[2::3]).all()


def test_the_home_key_starts_homing_with_all_motors_active_at_six_amps() -> None:
    firmware = homed()
    tell(firmware, activations=[0] * 12, max_current=1.0)
    tell(firmware, home=True)
    assert firmware.drive.mode is Mode.HOMING
    assert firmware.drive.active.all()
    assert firmware.drive.max_current == 6.0


def test_cartesian_mode_turns_forces_into_currents_by_the_transposed_jacobian() -> None:
    firmware = homed()
    pose = np.tile([0.1, 0.6, -1.2], 4)
    force = np.tile([1.0, 2.0, -3.0], 4)
    tell(firmware, max_current=9.0, ff_force=force.tolist())
    tell(firmware, cart_pos=[0.0] * 12)
    expected = np.einsum("lxj,lx->lj", jacobians(pose.reshape(4, 3)), force.reshape(4, 3)).reshape(12)
    np.testing.assert_allclose(run(firmware, 1, joints=pose), expected, atol=2e-3)
    assert firmware.drive.mode is Mode.CARTESIAN


def test_cartesian_gains_pull_a_foot_to_its_reference_and_damp_it() -> None:
    firmware = homed()
    pose = np.tile([0.0, 0.6, -1.2], 4)
    run(firmware, 1, joints=pose)
    hips = np.array([[0.1, -0.06, 0], [0.1, 0.06, 0], [-0.1, -0.06, 0], [-0.1, 0.06, 0]])
    here = feet(pose.reshape(4, 3)) + hips
    tell(firmware, max_current=10.0, cart_kp=[1000.0] * 3, cart_kd=[10.0] * 3)
    tell(firmware, cart_pos=here.reshape(12).tolist())
    np.testing.assert_allclose(run(firmware, 1, joints=pose), 0.0, atol=2e-3)
    moving = run(firmware, 1, joints=pose, speed=np.tile([0.0, 1.0, 0.0], 4))
    assert (moving[1::3] < 0).all()


def test_a_leg_that_asks_for_too_much_keeps_the_direction_of_its_force() -> None:
    firmware = homed()
    pose = np.tile([0.1, 0.6, -1.2], 4)
    free = homed()
    for robot, limit in ((free, 9.9), (firmware, 0.5)):
        tell(robot, max_current=limit, ff_force=[10.0, 5.0, -20.0] * 4)
        tell(robot, cart_pos=[0.0] * 12)
    wanted, scaled = (run(robot, 1, joints=pose).reshape(4, 3) for robot in (free, firmware))
    np.testing.assert_allclose(np.abs(scaled).max(axis=1), 0.5, atol=1e-3)
    np.testing.assert_allclose(scaled / scaled[:, 2:], wanted / wanted[:, 2:], rtol=0.02)


def test_a_straight_knee_is_pushed_back_from_its_soft_limit() -> None:
    firmware = homed()
    tell(firmware, kp=10.0, max_current=9.0)
    tell(firmware, cart_pos=[0.0] * 12)
    current = run(firmware, 1, joints=STILL)
    np.testing.assert_allclose(current[2::3], 10.0 * -math.pi / 6, atol=2e-3)


def test_jacobians_are_the_derivative_of_the_feet() -> None:
    pose = np.random.default_rng(1).uniform(-1, 1, (4, 3))
    for joint in range(3):
        step = np.zeros(3)
        step[joint] = 1e-6
        slope = (feet(pose + step) - feet(pose - step)) / 2e-6
        np.testing.assert_allclose(jacobians(pose)[:, :, joint], slope, atol=1e-8)


def test_head_firmware_reports_an_imu_of_exact_zeros() -> None:
    firmware = homed("head")
    run(firmware, 10)
    assert not firmware.imu_due
    (frame,) = TelemetryParser().feed(firmware.transmit(), 0.0)
    assert frame.imu is None


@pytest.mark.parametrize(("axis", "index"), [(0, 0), (1, 1)])
def test_the_attitude_filter_follows_a_tilt_about_the_body_axes(axis: int, index: int) -> None:
    attitude, rate = Attitude(), np.zeros(3)
    rate[axis] = 0.5
    angle = 0.0
    for _ in range(200):
        angle += 0.5 * 0.005
        up = (
            np.array([0, math.sin(angle), math.cos(angle)])
            if axis == 0
            else np.array([-math.sin(angle), 0, math.cos(angle)])
        )
        attitude.update(rate, 9.81 * up)
    assert attitude.roll_pitch_yaw[index] == pytest.approx(0.5, abs=5e-3)
    assert attitude.rates[axis] == 0.5


def test_the_attitude_filter_forgets_a_wrong_start() -> None:
    attitude = Attitude()
    attitude.settle(np.array([5.0, 0.0, 9.81]))
    assert attitude.roll_pitch_yaw[1] == pytest.approx(-math.atan2(5.0, 9.81))
    for _ in range(4000):
        attitude.update(STILL[:3], np.array([0.0, 0.0, 9.81]))
    assert attitude.roll_pitch_yaw[0:2] == pytest.approx((0.0, 0.0), abs=1e-3)


def test_the_heading_starts_at_half_a_turn_and_a_missing_gravity_does_no_harm() -> None:
    attitude = Attitude()
    attitude.update(np.array([0.0, 0.0, 1.0]), STILL[:3])
    assert attitude.roll_pitch_yaw == pytest.approx((0.0, 0.0, math.pi + 0.005), abs=1e-6)
