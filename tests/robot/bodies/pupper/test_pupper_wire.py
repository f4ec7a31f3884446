"""The stock firmware's frames: exact bytes, damage, noise, bounded memory."""

import math
import random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.bodies.pupper.protocol import (
    IDLE,
    LONGEST,
    CommandParser,
    TelemetryParser,
    decode_command,
    decode_telemetry,
    encode_command,
    encode_gains,
    encode_target,
    encode_telemetry,
)
from leash_robot.robot.errors import WireError
from leash_robot.robot.safety.messages import Telemetry

POS = [0.1 * joint for joint in range(12)]
VEL = [-0.5] * 12
floats = st.floats(-100, 100, width=32)
vectors = st.lists(floats, min_size=12, max_size=12)
imus = st.lists(floats, min_size=6, max_size=6)


def frame(ts: int = 70_000) -> bytes:
    return encode_telemetry(ts, POS, VEL, [0.1] * 6)


def test_commands_have_the_bytes_that_the_firmware_expects() -> None:
    assert encode_command({"kp": 2.0}) == bytes.fromhex("0009 81a26b70 ca40000000")
    assert bytes.fromhex("0007 81a469646c65c3") == IDLE
    assert encode_target([0.0] * 12) == bytes.fromhex("0042 81a3706f73 9c") + bytes.fromhex("ca00000000") * 12
    assert encode_gains(50, 2, 7)[:2] == bytes((0, 34))


def test_telemetry_has_the_length_that_the_firmware_sends() -> None:
    assert len(encode_telemetry(70_000, POS, VEL)) == 220
    assert len(encode_telemetry(60_000, POS, VEL)) == 218
    assert encode_telemetry(70_000, POS, VEL)[:4] == bytes.fromhex("4545 00d6")


@pytest.mark.parametrize("fields", [{}, {"pos": [0.0] * 60}])
def test_a_command_that_would_overrun_the_firmware_is_never_made(fields: dict[str, object]) -> None:
    with pytest.raises(WireError, match=r"1\.\.255"):
        encode_command(fields)


def test_a_target_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(WireError, match="11 joints"):
        encode_target([0.0] * 11)


@given(st.lists(vectors, min_size=1, max_size=5))
def test_commands_come_out_of_the_firmware_side_as_they_went_in(targets: list[list[float]]) -> None:
    parser = CommandParser()
    payloads = parser.feed(b"".join(encode_target(target) for target in targets))
    assert [decode_command(payload) for payload in payloads] == [{"pos": target} for target in targets]


@given(st.binary(max_size=300), st.integers(1, 7))
def test_the_firmware_side_takes_any_bytes_in_any_pieces(data: bytes, piece: int) -> None:
    whole, parts = CommandParser(), CommandParser()
    once = whole.feed(data)
    pieces = [payload for i in range(0, len(data), piece) for payload in parts.feed(data[i : i + piece])]
    assert pieces == once
    assert parts.overrun == whole.overrun


def test_a_frame_of_length_zero_is_the_end_of_the_firmware() -> None:
    parser = CommandParser()
    assert parser.feed(IDLE + b"\x00\x00" + IDLE) == [IDLE[2:]]
    assert parser.overrun
    assert parser.feed(IDLE) == []


def test_a_truncated_command_is_completed_with_the_bytes_of_the_next() -> None:
    payloads = CommandParser().feed(encode_target(POS)[:40] + IDLE * 30)
    assert payloads[0].startswith(encode_target(POS)[2:40])
    assert payloads[-1] == IDLE[2:]


def test_the_firmware_reads_past_odd_payloads_as_arduinojson_does() -> None:
    assert decode_command(msgpack.packb({"idle": True}) + b"more") == {"idle": True}
    assert decode_command(msgpack.packb(7)) == {}
    for broken in (b"\xc1", b"\x81\xa2k", b"\x81\x90\x01"):
        with pytest.raises(WireError, match="Deserialize failed"):
            decode_command(broken)


@given(st.integers(0, 2**32), vectors, vectors, imus, st.none() | vectors, st.none() | st.integers(0, 5))
def test_telemetry_comes_out_as_it_went_in(
    ts: int, pos: list[float], vel: list[float], imu: list[float], cur: list[float] | None, mode: int | None
) -> None:
    optional = {key: value for key, value in (("cur", cur), ("mode", mode)) if value is not None}
    parsed = TelemetryParser().feed(encode_telemetry(ts, pos, vel, imu, **optional), 3.5)
    wanted_imu = tuple(imu) if any(imu) else None
    assert parsed == [Telemetry(3.5, ts, tuple(pos), tuple(vel), wanted_imu, None if cur is None else tuple(cur), mode)]


def test_an_imu_that_says_exactly_zero_is_no_imu() -> None:
    zeros, none, some = ((0.0,) * 6, (), (0.0,) * 5 + (1e-6,))
    imus = [TelemetryParser().feed(encode_telemetry(1, POS, VEL, imu), 0.0)[0].imu for imu in (zeros, none, some)]
    assert imus[:2] == [None, None]
    assert imus[2] is not None


@pytest.mark.parametrize(
    "change",
    [
        {"pos": [math.nan] * 12},
        {"vel": [math.inf] + [0.0] * 11},
        {"pos": [0.0] * 11},
        {"pos": "no"},
        {"ts": -1},
        {"mode": 6},
        {"roll": None, "cur": [0.0]},
        {"roll": 0.1},
    ],
)
def test_a_payload_that_is_not_exactly_a_state_is_none(change: dict[str, object]) -> None:
    fields = {"ts": 1, "pos": POS, "vel": VEL} | change
    assert decode_telemetry(msgpack.packb(fields), 0.0) is None


def test_integers_doubles_and_unknown_keys_are_read_alike() -> None:
    payload = msgpack.packb({"ts": 1.5, "pos": [1] * 12, "vel": [0.25] * 12, "quat": [1, 0, 0, 0]})
    state = decode_telemetry(payload, 0.0)
    assert state is not None
    assert (state.ts, state.pos, state.vel) == (1.5, (1.0,) * 12, (0.25,) * 12)


def test_a_key_that_is_no_text_is_none() -> None:
    assert decode_telemetry(b"\x81\xa2\xff\xff\x01" + b"\x00" * 20, 0.0) is None


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 10))
def test_no_frame_is_lost_however_the_stream_is_cut(seed: int, count: int) -> None:
    chance = random.Random(seed)
    stream = b"".join(frame(i * 10) + chance.choice([b"", b"ERROR\r\n", b"\n", b"E"]) for i in range(count))
    parser, seen = TelemetryParser(), []
    while stream:
        cut = chance.randint(1, 300)
        seen += parser.feed(stream[:cut], 0.0)
        stream = stream[cut:]
    assert [state.ts for state in seen] == [i * 10 for i in range(count)]


def test_every_frame_of_one_read_is_returned() -> None:
    assert len(TelemetryParser().feed(frame() * 10, 0.0)) == 10


def test_a_damaged_length_does_not_hide_the_frames_behind_it() -> None:
    damaged = bytearray(frame(1))
    damaged[2] |= 0x03
    parser = TelemetryParser()
    assert parser.feed(bytes(damaged), 0.0) == []
    assert [state.ts for state in parser.feed(frame(2), 0.0)] == [2]


@pytest.mark.parametrize("length", [0, 19, LONGEST + 1, 0xFFFF])
def test_an_absurd_length_is_no_header(length: int) -> None:
    parser = TelemetryParser()
    assert len(parser.feed(b"\x45\x45" + length.to_bytes(2, "big") + frame(), 0.0)) == 1


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_noise_needs_bounded_memory_and_does_not_stop_what_follows(noise: list[bytes]) -> None:
    parser = TelemetryParser()
    for piece in noise:
        parser.feed(piece, 0.0)
    parser.feed(b"\x00" * (LONGEST + 6), 0.0)
    assert [state.ts for state in parser.feed(frame(5), 0.0)] == [5]
    assert len(parser._buffer) <= LONGEST + 6
    assert len(parser._text) <= 256


def test_memory_stays_bounded_when_nothing_but_headers_comes() -> None:
    parser = TelemetryParser()
    for _ in range(100):
        parser.feed(b"\x45\x45\x04\x00" * 100, 0.0)
    assert len(parser._buffer) <= LONGEST + 6


def test_lines_of_text_between_frames_are_kept_and_noise_is_not() -> None:
    parser = TelemetryParser()
    parser.feed(b"p[0],v[0]\r\n" + frame() + b"ERR", 0.0)
    parser.feed(b"OR\r\n\xff\xfe\xfd\r\n  \r\nactuator[3] hit fault position: 7.0\n" + frame(), 0.0)
    assert parser.take_lines() == ["p[0],v[0]", "ERROR", "actuator[3] hit fault position: 7.0"]
    assert parser.take_lines() == []


def test_a_flood_of_text_keeps_the_newest_sixteen_lines() -> None:
    parser = TelemetryParser()
    parser.feed(b"".join(b"line %d\r\n" % i for i in range(100)), 0.0)
    assert parser.take_lines() == [f"line {i}" for i in range(84, 100)]


@pytest.mark.parametrize(("rate", "share"), [(1e-5, 0.97), (1e-4, 0.75)])
def test_frames_survive_bit_errors_as_often_as_their_length_allows(rate: float, share: float) -> None:
    chance, parser, good = random.Random(3), TelemetryParser(), 0
    for i in range(1000):
        data = bytearray(frame(1000 + i))
        for _ in range(sum(chance.random() < rate * len(data) * 8 / 16 for _ in range(16))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        good += len(parser.feed(bytes(data), float(i)))
    assert good >= share * 1000
