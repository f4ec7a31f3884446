"""The messages between a robot and its policy server, over ZeroMQ: typed, ranged, versioned, capped.

    robot (DEALER)                          server (ROUTER)
      Hello    version, session       ->
                                      <-    Welcome   the policy's manifest; the policy has been reset
      Act      session, seq, state    ->
        JPEG, JPEG, ...  (own frames)
                                      <-    Reply     same session and seq, observation time, action chunk
                                      <-    Refusal   one line: why not

A session is one episode of one robot: a random number that the robot draws at each reset. Nothing here runs code.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.jpeg import jpeg_size
from leash_robot.robot.errors import WireError
from leash_robot.robot.types import Action, Array, Observation, unknown

VERSION = 1
MAX_MESSAGE = 4 * 2**20
"""Largest message, all frames together [bytes]; also ZMQ_MAXMSGSIZE of every socket."""
MAX_IMAGES = 8
MAX_SIDE = 4096
"""Longest side of an image [px]."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Time = Annotated[float, Meta(ge=0.0, le=1e12)]
Duration = Annotated[float, Meta(ge=0.0, le=3600.0)]
Angle = Annotated[float, Meta(ge=-100.0, le=100.0)]
"""Finite by its range: NaN fails every comparison. The robot's own limits are checked at its gate."""
Speed = Annotated[float, Meta(ge=-100.0, le=100.0)]
Measured = Annotated[list[float], Meta(min_length=1, max_length=64)]
Vector = tuple[float, float, float]
Command = Annotated[tuple[float, ...], Meta(max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$")]
Target = Annotated[list[Angle], Meta(min_length=1, max_length=64)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """A robot begins a session: which policy is served, and forget the past."""

    session: Number
    version: Annotated[int, Meta(ge=0, le=10_000)] = VERSION


class CameraFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera frame whose JPEG follows as a message frame of its own."""

    camera: Name
    time: Time
    """Capture time [s]."""


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="act"):
    """What the robot sees, as in `Observation`; NaN is "not measured", infinities are refused."""

    session: Number
    seq: Number
    time: Time
    late: Duration
    age: Duration
    joint_pos: Measured
    joint_vel: Measured
    joint_effort: Measured
    gravity: Vector
    gyro: Vector
    command: Command
    frames: Annotated[list[CameraFrame], Meta(max_length=MAX_IMAGES)] = []


class Welcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="welcome"):
    """The policy that is served, reset and ready."""

    session: Number
    manifest: Annotated[bytes, Meta(max_length=256 * 1024)]
    """JSON: what deployment must agree with."""
    version: int = VERSION


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reply"):
    """What to do now, and, should the next replies be late, after that."""

    session: Number
    seq: Number
    time: Time
    """Capture time of the observation that is answered [s]."""
    model_time: Duration
    """How long the policy itself took [s]."""
    chunk: Annotated[list[Target], Meta(min_length=1, max_length=64)]
    """(k, n) joint targets, one a tick; the first is for now [rad]."""
    command: Annotated[tuple[Speed, ...], Meta(max_length=16)] | None = None
    risk: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    source: Literal["policy", "hold", "safety"] = "policy"


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refusal"):
    """Why there is no answer."""

    reason: Annotated[str, Meta(max_length=500)]
    session: Number | None = None
    seq: Number | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """An `Act` with its arrays and images made."""

    session: int
    seq: int
    obs: Observation


Request = Hello | Act
Answer = Welcome | Reply | Refusal

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """One message frame."""
    return _encoder.encode(message)


def act_frames(session: int, seq: int, obs: Observation, cameras: Sequence[str] | None = None) -> list[bytes]:
    """The message frames that ask what to do now: the state, then each JPEG as it is; all cameras' or only of these."""
    names = obs.images if cameras is None else [name for name in cameras if name in obs.images]
    images = [obs.images[name] for name in names]
    message = Act(
        session=session,
        seq=seq,
        time=obs.time,
        late=obs.late,
        age=obs.age,
        joint_pos=obs.joint_pos.tolist(),
        joint_vel=obs.joint_vel.tolist(),
        joint_effort=obs.joint_effort.tolist(),
        gravity=tuple(obs.gravity.tolist()),
        gyro=tuple(obs.gyro.tolist()),
        command=tuple(obs.command.tolist()),
        frames=[CameraFrame(name, image.time) for name, image in zip(names, images, strict=True)],
    )
    return [_encoder.encode(message), *(image.jpeg for image in images)]


def reply_to(question: Question, action: Action, chunk: Array, model_time: float) -> Reply:
    """The reply that carries an action and the targets (k, n) planned from it. Raises WireError when not finite."""
    targets, command = chunk.tolist(), tuple(action.command.tolist())
    if not math.isfinite(sum(map(sum, targets))):
        raise WireError("the policy's action is not finite")
    return Reply(
        session=question.session,
        seq=question.seq,
        time=question.obs.time,
        model_time=model_time,
        chunk=targets,
        command=command if math.isfinite(sum(command)) else None,
        risk=None if math.isnan(action.risk) else action.risk,
        source="policy" if action.source == "human" else action.source,
    )


def action_of(reply: Reply, step: int = 0) -> Action:
    """The action `step` ticks into a reply's chunk."""
    return Action(
        joint_pos=np.array(reply.chunk[step]),
        command=unknown(3) if reply.command is None else np.array(reply.command),
        source=reply.source,
        risk=math.nan if reply.risk is None else reply.risk,
    )


def read_request(frames: Sequence[bytes]) -> Hello | Question:
    """What a robot sent. Raises WireError with one line for anything that is not exactly a request."""
    check_size(frames)
    try:
        message = _requests.decode(frames[0])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"not a request: {error}") from None
    if isinstance(message, Hello):
        return message
    return Question(message.session, message.seq, _observation(message, frames[1:]))


def read_answer(frames: Sequence[bytes]) -> Answer:
    """What a server sent. Raises WireError; a reply that is returned is finite and rectangular."""
    check_size(frames)
    try:
        message = _answers.decode(frames[0])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"not an answer: {error}") from None
    if isinstance(message, Reply) and len({len(target) for target in message.chunk}) != 1:
        raise WireError("the targets of a chunk have different lengths")
    return message


def check_size(frames: Sequence[bytes]) -> None:
    """Raise WireError unless there are 1..9 frames of at most 4 MiB together."""
    if not 1 <= len(frames) <= 1 + MAX_IMAGES:
        raise WireError(f"a message of {len(frames)} frames; 1..{1 + MAX_IMAGES} are allowed")
    if (size := sum(map(len, frames))) > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes; at most {MAX_MESSAGE} are allowed")


def _observation(act: Act, jpegs: Sequence[bytes]) -> Observation:
    joint_pos, joint_vel, joint_effort, gravity, gyro, command = _measured(
        act.joint_pos, act.joint_vel, act.joint_effort, act.gravity, act.gyro, act.command
    )
    if not len(joint_pos) == len(joint_vel) == len(joint_effort):
        raise WireError(f"{len(joint_pos)} positions, {len(joint_vel)} velocities, {len(joint_effort)} efforts")
    images = _images(act.frames, jpegs)
    return Observation(act.time, act.late, joint_pos, joint_vel, joint_effort, gravity, gyro, command, images, act.age)


def _measured(*rows: Sequence[float]) -> list[Array]:
    """The rows as arrays. Note: they share one, because on this path numpy's cost is that of its calls."""
    values = list(itertools.chain.from_iterable(rows))
    if math.inf in values or -math.inf in values:
        raise WireError("an infinite measurement; NaN says that something was not measured")
    flat = np.array(values)
    ends = list(itertools.accumulate(map(len, rows), initial=0))
    return [flat[start:end] for start, end in itertools.pairwise(ends)]


def _images(frames: Sequence[CameraFrame], jpegs: Sequence[bytes]) -> Mapping[str, Image]:
    names = [frame.camera for frame in frames]
    if len(frames) != len(jpegs) or len(set(names)) != len(names):
        raise WireError(f"{len(jpegs)} images for the cameras {names}")
    for jpeg in jpegs:
        _check_jpeg(jpeg)
    return {frame.camera: Image(frame.time, jpeg=jpeg) for frame, jpeg in zip(frames, jpegs, strict=True)}


def _check_jpeg(jpeg: bytes) -> None:
    """Note: the size is judged before anybody decodes, because a small file may claim gigabytes of pixels."""
    size = jpeg_size(jpeg)
    if size is None:
        raise WireError(f"an image of {len(jpeg)} bytes is no whole JPEG")
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise WireError(f"a JPEG of {size[1]} x {size[0]} pixels; each side must be 1..{MAX_SIDE}")
