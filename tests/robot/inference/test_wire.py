"""The messages between robot and policy server: what goes in comes out, and nothing else gets in."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import WireError
from leash_robot.robot.inference.protocol import (
    MAX_IMAGES,
    MAX_MESSAGE,
    Hello,
    Question,
    Refusal,
    Reply,
    Welcome,
    act_frames,
    action_of,
    encode,
    read_answer,
    read_request,
    reply_to,
)
from leash_robot.robot.types import Action, Array, Observation

JPEG = Image.blank(0.0, 48, 64).jpeg
ARRAYS = ("joint_pos", "joint_vel", "joint_effort", "gravity", "gyro", "command")
measured = st.floats(allow_infinity=False)


def observation(
    n: int = 12, images: dict[str, Image] | None = None, rows: Sequence[Array] | None = None
) -> Observation:
    rng = np.random.default_rng(n)
    arrays = dict(zip(ARRAYS, rows or [*rng.normal(size=(3, n)), *rng.normal(size=(3, 3))], strict=True))
    return Observation(time=12.5, late=0.001, age=0.004, images=images or {}, **arrays)


def raw(message: object) -> bytes:
    return msgspec.msgpack.encode(message)


def act(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {"type": "act", "session": 1, "seq": 1, "time": 1.0, "late": 0.0, "age": 0.0}
    fields |= {name: [0.0, 0.0] for name in ARRAYS[:3]} | {name: [0.0, 0.0, 0.0] for name in ARRAYS[3:]}
    return fields | changes


def reply(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "type": "reply",
        "session": 1,
        "seq": 1,
        "time": 1.0,
        "model_time": 0.0,
        "chunk": [[0.0, 0.0]],
    }
    return fields | changes


def asked(obs: Observation) -> Question:
    question = read_request(act_frames(7, 9, obs))
    assert isinstance(question, Question)
    return question


@given(st.integers(1, 64).flatmap(lambda n: st.lists(measured, min_size=3 * n + 9, max_size=3 * n + 9)))
def test_every_observation_arrives_as_it_was_sent_nan_included(values: list[float]) -> None:
    n = (len(values) - 9) // 3
    flat = np.array(values)
    obs = observation(n, rows=[*np.split(flat[: 3 * n], 3), *np.split(flat[3 * n :], 3)])
    question = asked(obs)
    assert (question.session, question.seq) == (7, 9)
    assert (question.obs.time, question.obs.late, question.obs.age) == (obs.time, obs.late, obs.age)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(question.obs, name), getattr(obs, name))


def test_images_travel_as_jpeg_frames_of_their_own_with_their_capture_times() -> None:
    frames = act_frames(7, 9, observation(images={"head": Image(3.5, jpeg=JPEG), "hand": Image(4.5, jpeg=JPEG)}))
    assert frames[1] is JPEG and len(frames) == 3
    question = read_request(frames)
    assert isinstance(question, Question)
    assert {name: image.time for name, image in question.obs.images.items()} == {"head": 3.5, "hand": 4.5}
    assert question.obs.images["head"].jpeg == JPEG


def test_only_the_cameras_that_are_asked_for_are_sent() -> None:
    obs = observation(images={"head": Image(3.5, jpeg=JPEG), "hand": Image(4.5, jpeg=JPEG)})
    question = read_request(act_frames(7, 9, obs, cameras=("hand", "tail")))
    assert isinstance(question, Question)
    assert list(question.obs.images) == ["hand"]


def test_hello_and_answers_arrive_as_they_were_sent() -> None:
    assert read_request([encode(Hello(5))]) == Hello(5)
    for message in (
        Welcome(5, b"{}"),
        Refusal("no", 5, 6),
        Refusal("no"),
        Reply(5, 6, 1.0, 0.1, [[1.0, 2.0]], (0.1, 0.0, 0.0), 0.5, "hold"),
    ):
        assert read_answer([encode(message)]) == message


def test_a_reply_carries_the_action_and_the_plan() -> None:
    question = asked(observation(2))
    action = Action(np.array([0.1, 0.2]), np.array([0.3, 0.0, -0.1]), "human", 0.25)
    message = reply_to(question, action, np.array([[0.1, 0.2], [0.3, 0.4]]), 0.002)
    answer = read_answer([encode(message)])
    assert isinstance(answer, Reply)
    assert (answer.session, answer.seq, answer.time, answer.model_time) == (7, 9, 12.5, 0.002)
    now, next_one = action_of(answer), action_of(answer, 1)
    np.testing.assert_array_equal(now.joint_pos, [0.1, 0.2])
    np.testing.assert_array_equal(next_one.joint_pos, [0.3, 0.4])
    np.testing.assert_array_equal(now.command, action.command)
    assert (now.source, now.risk) == ("policy", 0.25)


def test_what_an_action_does_not_say_is_nan_again_after_the_wire() -> None:
    message = reply_to(asked(observation(2)), Action(np.zeros(2), source="safety"), np.zeros((1, 2)), 0.0)
    action = action_of(message)
    assert message.command is None and message.risk is None
    assert np.isnan(action.command).all() and math.isnan(action.risk)
    assert action.source == "safety"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e3])
def test_a_target_that_is_no_angle_is_neither_made_nor_read(bad: float) -> None:
    with pytest.raises(WireError, match="not an answer"):
        read_answer([raw(reply(chunk=[[0.0, bad]]))])
    if not math.isfinite(bad):
        with pytest.raises(WireError, match="not finite"):
            reply_to(asked(observation(2)), Action(np.zeros(2)), np.array([[0.0, bad]]), 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"risk": 1.5},
        {"risk": math.nan},
        {"chunk": []},
        {"chunk": [[]]},
        {"chunk": [[0.0], [0.0, 1.0]]},
        {"chunk": [[0.0] * 65]},
        {"chunk": [["0"]]},
        {"command": [0.0] * 17},
        {"command": [0.0, 0.0, math.nan]},
        {"source": "human"},
        {"session": -1},
        {"seq": 2**63},
        {"model_time": -1.0},
        {"extra": 1},
        {"type": "hello"},
        {"type": "nonsense"},
    ],
)
def test_a_reply_out_of_the_schema_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(WireError):
        read_answer([raw(reply(**changes))])


@pytest.mark.parametrize(
    "changes",
    [
        {"joint_pos": [0.0, math.inf]},
        {"gravity": [0.0, 0.0, -math.inf]},
        {"joint_vel": [0.0]},
        {"joint_effort": [0.0] * 3},
        {"joint_pos": []},
        {"joint_pos": [0.0] * 65},
        {"gyro": [0.0, 0.0]},
        {"time": math.nan},
        {"time": -1.0},
        {"late": math.inf},
        {"frames": [{"camera": "head", "time": 1.0}]},
        {"frames": [{"camera": "", "time": 1.0}]},
        {"frames": [{"camera": "../head", "time": 1.0}]},
        {"unknown": 0},
    ],
)
def test_a_question_out_of_the_schema_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(WireError):
        read_request([raw(act(**changes))])


def test_images_must_match_what_is_announced() -> None:
    head = {"camera": "head", "time": 1.0}
    assert read_request([raw(act(frames=[head])), JPEG])
    with pytest.raises(WireError, match="2 images for the cameras"):
        read_request([raw(act(frames=[head])), JPEG, JPEG])
    with pytest.raises(WireError, match="images for the cameras"):
        read_request([raw(act(frames=[head, head])), JPEG, JPEG])
    with pytest.raises(WireError, match="no whole JPEG"):
        read_request([raw(act(frames=[head])), b"\x89PNG"])


def test_messages_are_capped_in_size_and_frames() -> None:
    assert isinstance(read_request([encode(Hello(1))]), Hello)
    with pytest.raises(WireError, match=f"at most {MAX_MESSAGE}"):
        read_request([encode(Hello(1)), bytes(MAX_MESSAGE)])
    with pytest.raises(WireError, match="frames"):
        read_answer([])
    with pytest.raises(WireError, match="frames"):
        read_request([encode(Hello(1))] + [JPEG] * (MAX_IMAGES + 1))


@given(st.binary(max_size=200), st.lists(st.binary(max_size=50), max_size=3))
def test_garbage_is_refused_with_one_line(head: bytes, rest: list[bytes]) -> None:
    for read in (read_request, read_answer):
        with pytest.raises(WireError) as raised:
            read([head, *rest])
        assert "\n" not in str(raised.value)


@given(st.data())
def test_a_damaged_message_is_refused_or_still_within_the_schema(data: st.DataObject) -> None:
    good = bytearray(act_frames(1, 2, observation(3))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        question = read_request([bytes(good)])
    except WireError:
        return
    assert isinstance(question, Question)
    assert not any(np.isinf(getattr(question.obs, name)).any() for name in ARRAYS)


def test_deep_nesting_and_giant_claims_are_refused() -> None:
    for head in (b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"):
        with pytest.raises(WireError):
            read_request([head])


@pytest.mark.parametrize(("height", "width"), [(65535, 65535), (0, 64), (48, 0), (48, 4097)])
def test_a_jpeg_that_claims_an_absurd_size_is_refused_before_it_is_decoded(height: int, width: int) -> None:
    bomb = JPEG.replace((48).to_bytes(2) + (64).to_bytes(2), height.to_bytes(2) + width.to_bytes(2), 1)
    assert bomb != JPEG
    with pytest.raises(WireError, match="each side must be"):
        read_request([raw(act(frames=[{"camera": "head", "time": 1.0}])), bomb])
