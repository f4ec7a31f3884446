"""What the control process and the recorder process say to each other: one header, then raw bytes."""

from datetime import UTC, datetime

import msgspec

from leash_robot.robot.dataset.metadata import NANO, Outcome
from leash_robot.robot.spec import Spec


class RecorderSetup(msgspec.Struct, frozen=True):
    """What the recorder process is started with: what every episode of the session shares."""

    folder: str
    spec: Spec
    calibration_hash: str
    info: dict[str, str]
    nice: int
    """Scheduling priority of the process."""
    tidy: bool
    """Whether to finish what an earlier session left unfinished; not after a restart within a session."""


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """The items that follow belong to this episode, new or interrupted by a crash of the recorder."""

    index: int
    info: dict[str, str]
    id: str = ""
    created: str = ""
    """Wall-clock time at the first tick, ISO 8601 in UTC."""
    clock_offset: int = 0
    """What to add to monotonic time at the first tick to get wall-clock time [ns]."""


class Take(msgspec.Struct, frozen=True, tag="take"):
    """One tick: the next part is its bytes, then one JPEG for each camera listed (by number)."""

    item: int
    cameras: list[int]


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The episode is over."""

    item: int
    outcome: Outcome
    reason: str
    total: int
    """Ticks that the episode had, lost ones included."""
    detail: str = ""


class Quit(msgspec.Struct, frozen=True, tag="quit"):
    """The session is over."""


class Safe(msgspec.Struct, frozen=True, tag="safe"):
    """All items up to this one would survive the death of the recorder."""

    item: int


class EpisodeDone(msgspec.Struct, frozen=True, tag="done"):
    """An episode is complete on disk."""

    index: int
    ticks: int
    outcome: Outcome
    reason: str
    dropped: int = 0
    """Ticks of the episode that are not in the file."""
    detail: str = ""
    file: str = ""
    """Name of the file; empty where there is none, for want of a tick."""


class EpisodeFailed(msgspec.Struct, frozen=True, tag="failed"):
    """The running episode was cut short; the rest of it is not recorded."""

    index: int
    error: str


class NoteMessage(msgspec.Struct, frozen=True, tag="note"):
    """Something that the person should know."""

    text: str


Request = Begin | Take | Finish | Quit
Reply = Safe | EpisodeDone | EpisodeFailed | NoteMessage

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def dated(begin: Begin, time: float) -> Begin:
    """The beginning of an episode whose first tick was seen just now, at `time` [s] of its own clock."""
    now = datetime.now(UTC)
    offset = int(now.timestamp() * NANO) - round(time * NANO)
    return msgspec.structs.replace(begin, created=now.isoformat(timespec="milliseconds"), clock_offset=offset)


def encode(message: Request | Reply) -> bytes:
    """The header of a message."""
    return _encoder.encode(message)


def decode_request(data: bytes) -> Request:
    """What the control process said."""
    return _requests.decode(data)


def decode_reply(data: bytes) -> Reply:
    """What the recorder process said."""
    return _replies.decode(data)
