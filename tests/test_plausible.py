"""States that no body can be in are not believed; three alike are a fault."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.plausible import FASTEST, LARGEST_ANGLE, LARGEST_SPEED, SLACK, Plausibility
from robot.pupper_wire import Telemetry, TelemetryParser, encode_telemetry

POSE = (0.0, 1.57, -2.69) * 4
STILL = (0.0,) * 12


def state(
    tick: int, pos: tuple[float, ...] = POSE, vel: tuple[float, ...] = STILL, ts: float | None = None
) -> Telemetry:
    return Telemetry(10.0 + 0.01 * tick, 5000.0 + 10 * tick if ts is None else ts, pos, vel)


def lived() -> Plausibility:
    judge = Plausibility()
    assert all(judge.accept(state(tick)) for tick in range(10))
    return judge


def bent(angle: float) -> tuple[float, ...]:
    return (angle, *POSE[1:])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (state(10, bent(LARGEST_ANGLE + 0.1)), "joint 0 says that it is beyond"),
        (state(10, vel=(0.0, -LARGEST_SPEED - 1, *STILL[2:])), "joint 1 says that it is faster"),
        (state(10, bent(0.9)), "joint 0 leapt"),
        (state(10, ts=100.0), "rebooted"),
        (state(10, ts=9e6), "leapt ahead"),
        (Telemetry(10.1, 5100.0, POSE, STILL, (7.0, 0, 0, 0, 0, 0)), "the IMU's roll"),
        (Telemetry(10.1, 5100.0, POSE, STILL, (0, 0, 0, 0, 0, 200.0)), "the IMU's yaw_rate"),
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


def test_two_impossible_states_are_chance_and_forgotten() -> None:
    judge = lived()
    for tick in range(10, 40, 3):
        assert not judge.accept(state(tick, bent(3.0)))
        assert not judge.accept(state(tick + 1, bent(3.0)))
        assert judge.accept(state(tick + 2))
    assert judge.fault == ""


def test_three_impossible_states_for_three_reasons_are_chance() -> None:
    judge = lived()
    frames = [state(10, bent(3.0)), state(11, ts=9e6), state(12, vel=(500.0, *STILL[1:]))]
    assert not any(judge.accept(frame) for frame in frames)
    assert judge.fault == ""


def test_after_a_fault_the_robot_is_judged_from_where_it_now_is() -> None:
    judge = lived()
    for tick in range(10, 13):
        judge.accept(state(tick, bent(3.0)))
    assert judge.accept(state(13, bent(3.0)))
    assert judge.fault == ""
    for tick in range(14, 17):
        judge.accept(state(tick, bent(9.0)))
    assert judge.fault
    assert judge.accept(state(17, bent(-1.0)))


def test_after_a_reboot_the_new_clock_counts() -> None:
    judge = lived()
    for tick in range(10, 13):
        judge.accept(state(tick, ts=10.0 * tick))
    assert judge.rebooted
    assert judge.accept(state(13, ts=130.0))
    assert not judge.rebooted


def test_a_flipped_low_bit_of_the_clock_is_not_a_reboot() -> None:
    judge = lived()
    assert judge.accept(state(10, ts=5100.0 + 128))
    assert judge.accept(state(11))


def test_frames_that_waited_in_a_buffer_are_believed_though_they_come_at_once() -> None:
    judge = lived()
    moved = [Telemetry(10.3, 5100.0 + 10 * i, bent(0.3 * i), STILL) for i in range(4)]
    assert all(judge.accept(frame) for frame in moved)


def test_after_a_long_silence_a_joint_may_be_anywhere() -> None:
    judge = lived()
    assert judge.accept(state(1000, bent(3.0)))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40))
def test_no_real_movement_is_refused(speeds: list[float]) -> None:
    judge, angle = Plausibility(), 0.0
    for tick, speed in enumerate(speeds):
        angle = min(max(angle + speed * 0.01, -6.0), 6.0)
        assert judge.accept(state(tick, bent(angle), (speed, *STILL[1:])))


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
    last, believed = 0.0, 0
    for tick in range(3000):
        data = bytearray(encode_telemetry(5000 + 10 * tick, POSE, STILL, (0.1,) * 6))
        if chance.random() < 0.3:
            damages[damage](data, chance.randrange(len(data)))
        now = 10 + 0.01 * tick
        for frame in parser.feed(bytes(data), now):
            if judge.accept(frame):
                believed += 1
                reach = FASTEST * max(now - last, 0.05) + SLACK
                assert all(abs(a - b) <= 2 * reach for a, b in zip(frame.pos, POSE, strict=True))
                last = now
        assert judge.fault == ""
    assert believed > 1800
