"""How the firmware takes commands: frames, documents, and what a payload asks for."""

import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.bodies.pupper.protocol import encode_command, encode_target
from leash_robot.sim.firmware.arduino_json import DocumentError, JsonReader, Value, as_bool, as_float
from leash_robot.sim.firmware.commands import BAD_LENGTH, Receiver, Refused, interpret

ANGLES = [0.1 * joint for joint in range(12)]


def payload(fields: dict[str, object]) -> bytes:
    return encode_command(fields)[2:]


def test_the_example_frames_of_the_protocol_are_understood() -> None:
    receiver = Receiver()
    kp, idle = receiver.feed(bytes.fromhex("00 09 81a26b70ca40000000 00 07 81a469646c65c3"))
    assert interpret(kp) == {"kp": 2.0}
    assert interpret(idle) == {"idle": True}


@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_frames_arrive_whole_however_they_are_cut(cuts: list[int]) -> None:
    stream = encode_target(ANGLES) + encode_command({"kp": 3.0}) + encode_command({"idle": True})
    receiver, complete, last = Receiver(), [], 0
    for cut in [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]:
        complete += receiver.feed(stream[last:cut])
        last = cut
    assert [list(interpret(buffer)) for buffer in complete] == [["pos"], ["kp"], ["idle"]]


def test_bytes_before_a_start_byte_are_skipped() -> None:
    assert len(Receiver().feed(b"\x81\xa4noise" + encode_command({"idle": True}))) == 1


def test_a_truncated_frame_borrows_from_the_next_and_there_is_no_way_back_into_step() -> None:
    receiver = Receiver()
    whole = encode_target(ANGLES)
    first, *_ = receiver.feed(whole[:40] + whole + whole)
    command = interpret(first)
    assert len(command["pos"]) == 12
    np.testing.assert_allclose(command["pos"][:6], ANGLES[:6], rtol=1e-6)
    assert not np.allclose(command["pos"][6:], ANGLES[6:]), "garbage floats are accepted as targets"


def test_thirty_idle_frames_bring_any_parser_back_to_idle() -> None:
    for cut in range(2, 68):
        receiver = Receiver()
        receiver.feed(encode_target(ANGLES)[:cut])
        complete = receiver.feed(encode_command({"idle": True}) * 30)
        assert interpret(complete[-1]) == {"idle": True}


def test_a_length_of_zero_kills_the_parser() -> None:
    receiver = Receiver()
    assert receiver.feed(b"\x00\x00" + encode_command({"idle": True}) * 400) == []
    assert receiver.hung


def test_a_payload_that_promises_more_than_it_holds_finds_the_remains_of_the_one_before() -> None:
    receiver = Receiver()
    receiver.feed(b"\x00\x0b" + b"\x81\xa2kp\xca\x40\x00\x00\x00\xc3\xc3")
    (buffer,) = receiver.feed(b"\x00\x05" + b"\x81\xa2kp\xca")
    assert interpret(buffer) == {"kp": struct.unpack(">f", b"\x00\x00\x00\x00")[0]}


@given(st.binary(max_size=600))
def test_no_bytes_whatever_break_the_receiver_or_the_interpreter(data: bytes) -> None:
    for buffer in Receiver().feed(data):
        try:
            command = interpret(buffer)
        except Refused as refusal:
            assert str(refusal).startswith(("Deserialize failed: ", "Error: "))
        else:
            assert all(isinstance(key, str) for key in command)


@pytest.mark.parametrize("key", ["pos", "cart_pos", "ff_force", "activations", "cart_kp", "cart_kd"])
@pytest.mark.parametrize("wrong", [[0.0] * 11, [], 3.0, {"a": 1}, None])
def test_an_array_of_a_wrong_length_is_answered_in_text(key: str, wrong: object) -> None:
    with pytest.raises(Refused, match=BAD_LENGTH):
        interpret(payload({"kp": 1.0, key: wrong}))


def test_integers_float32_and_float64_are_the_same_to_the_firmware() -> None:
    assert interpret(b"\x81\xa2kp\x02") == interpret(b"\x81\xa2kp\xca\x40\x00\x00\x00") == {"kp": 2.0}
    assert interpret(msgpack.packb({"kp": 2.0})) == {"kp": 2.0}
    assert interpret(msgpack.packb({"kp": 0.1}))["kp"] == pytest.approx(0.1, rel=1e-7)
    assert interpret(msgpack.packb({"kp": -300}))["kp"] == -300.0


def test_a_number_too_large_for_float32_becomes_infinite() -> None:
    assert interpret(msgpack.packb({"kp": 1e39}))["kp"] == float("inf")


def test_unknown_keys_are_ignored() -> None:
    assert interpret(payload({"speed": 3.0, "kd": 1.0, "trq": [1, 2]})) == {"kd": 1.0}


def test_what_is_not_true_does_not_act() -> None:
    assert interpret(payload({"idle": False, "zero": 0, "home": None, "debug": False})) == {"debug": False}


def test_the_first_of_two_equal_keys_wins() -> None:
    assert interpret(b"\x82\xa2kp\x01\xa2kp\x02") == {"kp": 1.0}


def test_a_document_that_is_no_map_asks_for_nothing() -> None:
    assert interpret(msgpack.packb([1, 2, 3])) == {}


def test_two_arrays_of_twelve_do_not_fit_the_document() -> None:
    with pytest.raises(Refused, match="Deserialize failed: NoMemory"):
        interpret(payload({"pos": ANGLES, "cart_pos": ANGLES}))
    interpret(payload({"pos": ANGLES, "kp": 1.0, "kd": 1.0, "max_current": 2.0}))


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"\x81\xa2kp", "IncompleteInput"),
        (b"\x81\xa2kp\xc1", "InvalidInput"),
        (b"\x81\xa2kp\xc4\x01a", "NotSupported"),
        (b"\x81\x01\x02", "InvalidInput"),
        (b"\x91" * 12 + b"\x01", "TooDeep"),
        (b"\x81\xa1a" * 11, "TooDeep"),
        (b"\xdd\xff\xff\xff\xff" + b"\x00" * 100, "NoMemory"),
        (b"\xdf\x00\x00\x01\x00" + b"\xa0\x00" * 100, "NoMemory"),
    ],
)
def test_documents_that_cannot_be_read_name_the_librarys_reason(document: bytes, error: str) -> None:
    with pytest.raises(DocumentError, match=error):
        JsonReader(document).read()


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False)
        | st.text("abcé", max_size=40),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=40), inner, max_size=3),
        max_leaves=8,
    )
)
def test_well_formed_documents_are_read_as_any_decoder_reads_them(value: object) -> None:
    packed = msgpack.packb(value)
    try:
        read = JsonReader(packed).read()
    except DocumentError as error:
        assert str(error) in {"NoMemory", "TooDeep"}
        return
    assert read == msgpack.unpackb(packed, unicode_errors="surrogateescape") or "é" in repr(value)


def test_long_strings_and_arrays_are_read_by_their_longer_tags() -> None:
    for value in ("a" * 40, "a" * 300, "a" * 70000, list(range(20)), {"a" * 40: 1}):
        assert JsonReader(msgpack.packb(value)).read() == value
    assert JsonReader(b"\xde\x00\x01\xa1a\x01").read() == {"a": 1}


def test_values_stand_for_numbers_and_truths_as_in_the_library() -> None:
    numbers: list[Value] = [True, 3, 2.5, "1.5", "x", None, [1]]
    assert [as_float(value) for value in numbers] == [1.0, 3.0, 2.5, 1.5, 0.0, 0.0, 0.0]
    truths: list[Value] = [False, 0, 0.0, None, 1, "no", []]
    assert [as_bool(value) for value in truths] == [False] * 4 + [True] * 3
