"""States that no body can be in are not believed; three alike are a fault."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.bodies.pupper.protocol import (
    TelemetryParser,
    encode_gains,
    encode_target,
    encode_telemetry,
)
from leash_robot.robot.bodies.pupper.telemetry_filter import LARGEST_ANGLE, LARGEST_SPEED, Plausibility
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Observation, unknown
from leash_robot.sim.twin.machine import Twin

POSE = (0.0, 1.57, -2.69) * 4
STILL = (0.0,) * 12


def state(
    tick: int, pos: tuple[float, ...] = POSE, vel: tuple[float, ...] = STILL, ts: float | None = None
) -> Telemetry:
    return Telemetry(10.0 + 0.01 * tick, 5000.0 + 10 * tick if ts is None else ts, pos, vel)


def lived() -> Plausibility:
    judge = Plausibility()
    assert [judge.accept(state(tick)) for tick in range(10)] == [False] + [True] * 9
    return judge


def imu(*angles_and_rates: float) -> Telemetry:
    return Telemetry(10.1, 5100.0, POSE, STILL, angles_and_rates)


def bent(angle: float) -> tuple[float, ...]:
    return (angle, *POSE[1:])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (state(10, bent(LARGEST_ANGLE + 0.1)), "joint 0 says that it is beyond"),
        (state(10, vel=(0.0, -LARGEST_SPEED - 1, *STILL[2:])), "joint 1 says that it is faster"),
        (state(10, bent(0.05)), "joint 0 leapt"),
        (state(10, vel=(0.0, 0.0, 4.0, *STILL[3:])), "joint 2 leapt"),
        (state(10, ts=100.0), "rebooted"),
        (state(10, ts=9e6), "leapt ahead"),
        (imu(4.0, 0, 0, 0, 0, 0), "the IMU's roll"),
        (imu(0, 0, 0, 0, 0, 40.0), "the IMU's yaw_rate"),
        (Telemetry(10.1, 5100.0, POSE, STILL, cur=(50.0, *STILL[1:])), "draws more"),
    ],
)
def test_an_impossible_state_is_refused_and_three_of_them_are_a_fault(frame: Telemetry, reason: str) -> None:
    judge = lived()
    for number in range(3):
        assert judge.fault == ""
        assert not judge.accept(frame), number
    assert reason in judge.fault
    assert judge.rebooted == ("rebooted" in reason)
    assert judge.rejected == 3


@pytest.mark.parametrize(
    "there", [(0.1, 0.1, 0.1, 3.0, 0.1, 0.1), (0.2, 0.1, 0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.2, 0.1, 0.1, 0.1)]
)
def test_an_imu_that_leaps_is_believed_when_the_next_frame_agrees(there: tuple[float, ...]) -> None:
    judge, here = Plausibility(), (0.1,) * 6
    believed = [
        judge.accept(Telemetry(10.0 + 0.01 * tick, 5000.0 + 10 * tick, POSE, STILL, angles_and_rates))
        for tick, angles_and_rates in enumerate([*[here] * 10, there, here, *[there] * 4])
    ]
    assert believed == [False] + [True] * 9 + [False, True, False, True, True, True]
    assert (judge.fault, judge.rejected) == ("", 2)


def test_a_yaw_that_goes_round_is_no_leap() -> None:
    judge = Plausibility()
    for tick in range(20):
        yaw = math.remainder(3.1 + 0.01 * tick, math.tau)
        frame = Telemetry(10.0 + 0.01 * tick, 5000.0 + 10 * tick, POSE, STILL, (0.0, 0.0, yaw, 0.0, 0.0, 1.0))
        assert judge.accept(frame) == (tick > 0)


def test_an_impossible_state_now_and_then_is_chance_and_forgotten() -> None:
    judge = lived()
    for tick in range(10, 100, 9):
        assert not judge.accept(state(tick, bent(3.0)))
        assert not judge.accept(state(tick + 1, bent(2.0 + tick / 100)))
        assert all(judge.accept(state(tick + more)) for more in range(2, 9))
    assert judge.fault == ""


def test_three_impossible_states_for_three_reasons_are_chance() -> None:
    judge = lived()
    frames = [state(10, bent(3.0)), state(11, ts=9e6), state(12, vel=(500.0, *STILL[1:]))]
    assert not any(judge.accept(frame) for frame in frames)
    assert judge.fault == ""


def test_many_impossible_states_for_many_reasons_are_a_line_that_is_not_to_be_trusted() -> None:
    judge, chance = lived(), random.Random(0)
    for tick in range(10, 30):
        joint = chance.randrange(12)
        pos = [*POSE]
        pos[joint] += chance.choice([-1, 1]) * chance.uniform(0.5, 3.0) if tick % 2 else 0.0
        judge.accept(state(tick, tuple(pos)))
    assert "the line is noisy" in judge.fault


def test_a_state_that_was_not_believed_is_not_what_others_are_judged_by() -> None:
    judge = lived()
    assert not judge.accept(state(10, bent(3.0)))
    assert judge.accept(state(11))
    for tick, angle in enumerate([0.5, 1.0, 1.5], start=12):
        assert not judge.accept(state(tick, bent(angle)))
    assert "leapt" in judge.fault
    assert not judge.accept(state(15, bent(2.0)))
    assert not judge.accept(state(16, bent(-2.0)))


def test_after_a_fault_the_robot_is_judged_from_where_it_now_is() -> None:
    judge = lived()
    for tick in range(10, 13):
        judge.accept(state(tick, bent(3.0)))
    assert judge.accept(state(13, bent(3.0)))
    assert judge.fault == ""
    for tick in range(14, 17):
        judge.accept(state(tick, bent(9.0)))
    assert judge.fault
    assert not judge.accept(state(17, bent(-1.0)))
    assert judge.accept(state(18, bent(-1.0)))


def test_a_state_that_comes_twice_counts_once() -> None:
    judge = lived()
    assert not judge.accept(state(9))
    assert judge.accept(state(10))
    assert judge.rejected == 0


def test_after_a_reboot_the_new_clock_counts() -> None:
    judge = lived()
    for tick in range(10, 13):
        judge.accept(state(tick, ts=10.0 * tick))
    assert judge.rebooted
    assert judge.accept(state(13, ts=130.0))
    assert not judge.rebooted


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_low_bit_of_the_clock_is_not_a_reboot(bit: int) -> None:
    judge = lived()
    judge.accept(state(10, ts=5100.0 + 2**bit))
    believed = [judge.accept(state(tick)) for tick in range(11, 16)]
    assert all(believed[2:])
    assert judge.fault == ""


def test_frames_that_waited_in_a_buffer_are_believed_though_they_come_at_once() -> None:
    judge = lived()
    moved = [Telemetry(10.3, 5100.0 + 10 * i, bent(0.01 * i * i), (2.0 * i, *STILL[1:])) for i in range(9)]
    assert all(judge.accept(frame) for frame in moved)


def test_after_a_long_silence_a_joint_may_be_anywhere() -> None:
    judge = lived()
    assert not judge.accept(state(1000, bent(3.0)))
    assert judge.accept(state(1001, bent(3.0)))
    assert judge.rejected == 0


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=60))
def test_no_real_movement_is_refused(changes: list[float]) -> None:
    """Up to 300 rad/s2 from one frame to the next."""
    judge, angle, speed = Plausibility(), 0.0, 0.0
    for tick, change in enumerate(changes):
        before, speed = speed, min(max(speed + change, -9.0), 9.0)
        angle += (before + speed) / 2 * 0.01
        assert judge.accept(state(tick, bent(angle), (speed, *STILL[1:]))) == (tick > 0)


@pytest.mark.parametrize("damage", ["flip", "drop", "insert", "repeat"])
def test_what_damaged_bytes_still_say_is_bounded_by_what_a_body_can_do(damage: str) -> None:
    chance = random.Random(damage)
    parser, judge = TelemetryParser(), Plausibility()
    damages: dict[str, Callable[[bytearray, int], None]] = {
        "flip": lambda data, at: data.__setitem__(at, data[at] ^ 1 << chance.randrange(8)),
        "drop": lambda data, at: data.__delitem__(slice(at, at + chance.randint(1, 40))),
        "insert": lambda data, at: data.__setitem__(slice(at, at), chance.randbytes(chance.randint(1, 40))),
        "repeat": lambda data, at: data.__setitem__(slice(at, at), data[at : at + 100]),
    }
    believed = 0
    for tick in range(3000):
        data = bytearray(encode_telemetry(5000 + 10 * tick, POSE, STILL, (0.1,) * 6))
        if chance.random() < 0.15:
            damages[damage](data, chance.randrange(len(data)))
        for frame in parser.feed(bytes(data), 10 + 0.01 * tick):
            if judge.accept(frame):
                believed += 1
                assert max(abs(a - b) for a, b in zip(frame.pos, POSE, strict=True)) < 0.2
                assert max(map(abs, frame.vel)) < 5.0
    assert believed > 2400


@cache
def trotting() -> list[bytes]:
    """What a twin sends, a packet every ten milliseconds, while it stands up and trots for ten seconds."""
    spec = load_spec()
    twin, trot, packets = Twin(), Trot(spec), list[bytes]()
    twin.write(encode_gains(spec.gains.kp, spec.gains.kd, spec.gains.max_current))
    nothing = unknown(12)
    seen = Observation(0.0, 0.0, nothing, nothing, nothing, unknown(3), unknown(3), np.array([0.25, 0.0, 0.3]))
    for tick in range(240):
        rise = min(1.0, tick / 40) * (spec.stand - spec.rest) + spec.rest
        target = rise if tick < 40 else trot.act(replace(seen, time=tick * spec.period)).joint_pos
        twin.write(encode_target(target.tolist()))
        for _ in range(5):
            twin.advance(10)
            packets.append(twin.read())
    return packets


def judged(errors: float, seed: int) -> tuple[int, float, float, int]:
    """How many states of a trot are believed, how wrong the worst is [rad], [rad/s], and when the line failed."""
    chance, right, parser, judge = np.random.default_rng(seed), TelemetryParser(), TelemetryParser(), Plausibility()
    believed, worst, faster, heard, failed = 0, 0.0, 0.0, 0, 0
    for tick, packet in enumerate(trotting()):
        flips = np.packbits(chance.random(8 * len(packet)) < errors)
        damaged = (np.frombuffer(packet, np.uint8) ^ flips).tobytes()
        [truth] = right.feed(packet, 0.01 * tick)
        for frame in parser.feed(damaged, 0.01 * tick):
            if judge.accept(frame):
                believed, heard = believed + 1, tick
                worst = max(worst, np.abs(np.subtract(frame.pos, truth.pos)).max())
                faster = max(faster, np.abs(np.subtract(frame.vel, truth.vel)).max())
        failed = failed or (tick if judge.fault or tick - heard >= 10 else 0)
    return believed, worst, faster, failed


def test_every_state_of_a_trot_is_believed() -> None:
    assert judged(0.0, 0) == (len(trotting()) - 1, 0.0, 0.0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_rare_bit_error_costs_its_state_and_never_shows_a_movement_that_is_not(seed: int) -> None:
    believed, worst, faster, failed = judged(1e-5, seed)
    assert believed >= 0.97 * len(trotting())
    assert worst < 0.1
    assert faster < 8.0
    assert failed == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_line_still_delivers_three_states_of_four(seed: int) -> None:
    believed, worst, faster, failed = judged(1e-4, seed)
    assert believed >= 0.75 * len(trotting())
    assert worst < 0.3
    assert faster < 15.0
    assert failed == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_hopeless_line_is_a_stop_within_three_seconds(seed: int) -> None:
    assert 0 < judged(1e-3, seed)[3] < 300
