"""The bytes of a recorded tick: a protobuf message whose layout never varies for a body, so numpy reads it in bulk.

Every scalar has a fixed width, every array a constant length and the enum a one-byte value, so the tag bytes between
the values are constants too: filling one numpy record makes a valid message, and a file's messages joined end to end
are an array of such records. https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from numpy.typing import NDArray

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import SOURCES, Action, Tick

Rows = NDArray[np.void]
"""A structured array (T,) of ticks, as `Layout.dtype` names its fields."""

PROPOSALS = ("wanted", "sent", "human", "policy")
MESSAGE = "leash.Tick"

_FIXED32, _DOUBLE, _ENUM, _MESSAGE = (
    FieldDescriptorProto.TYPE_FIXED32,
    FieldDescriptorProto.TYPE_DOUBLE,
    FieldDescriptorProto.TYPE_ENUM,
    FieldDescriptorProto.TYPE_MESSAGE,
)
_WIRE_TYPE = {_FIXED32: 5, _DOUBLE: 1, _ENUM: 0}
_LENGTH_DELIMITED = 2
_SCALAR = {_FIXED32: "<u4", _DOUBLE: "<f8", _ENUM: "u1"}


@dataclass(frozen=True)
class _Field:
    """One field of a message; `size` None is a scalar, a number a packed array of that length."""

    name: str
    kind: FieldDescriptorProto.Type.ValueType = _DOUBLE
    size: int | None = None
    inner: "tuple[_Field, ...]" = ()


@dataclass(frozen=True)
class Layout:
    """How a tick of a body with so many joints and cameras, and so many entries of its command, lies in bytes."""

    joints: int
    cameras: int
    commands: int = 3

    @classmethod
    def of(cls, spec: Spec, cameras: Sized) -> Self:
        """The layout for recordings of a body with these of its cameras."""
        return cls(len(spec.joints), len(cameras), len(spec.commanded))

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The record of one tick: value fields by name, and the constant tags before them as `#name`."""
        return _dtype(self._fields)

    @cached_property
    def descriptor(self) -> bytes:
        """The FileDescriptorSet that tells other programs how to read the messages."""
        file = FileDescriptorProto(name="leash/tick.proto", package="leash", syntax="proto3")
        source = file.enum_type.add(name="Source")
        for number, name in enumerate(("absent", *SOURCES)):
            source.value.add(name=name.upper(), number=number)
        file.message_type.append(_describe("Action", self._action))
        file.message_type.append(_describe("Tick", self._fields))
        return FileDescriptorSet(file=[file]).SerializeToString(deterministic=True)

    def pack(self, number: int, tick: Tick, cameras: tuple[str, ...]) -> bytes:
        """The message for one tick; `number` counts the episode's ticks, lost ones included."""
        rows = self.blank.copy()
        obs = tick.obs
        rows["number"], rows["time"], rows["late"], rows["age"] = number, obs.time, obs.late, obs.age
        rows["joint_pos"], rows["joint_vel"], rows["joint_effort"] = obs.joint_pos, obs.joint_vel, obs.joint_effort
        rows["gravity"], rows["gyro"], rows["command"] = obs.gravity, obs.gyro, obs.command
        for name, action in zip(PROPOSALS, (tick.wanted, tick.sent, tick.human, tick.policy), strict=True):
            if action is not None:
                _fill(rows[name], action)
        for index, name in enumerate(cameras):
            if name in obs.images:
                rows["camera_time"][0, index] = obs.images[name].time
        rows["camera_age"] = obs.time + obs.age - rows["camera_time"]
        return rows.tobytes()

    @cached_property
    def _action(self) -> tuple[_Field, ...]:
        return (
            _Field("source", _ENUM),
            _Field("risk"),
            _Field("joint_pos", size=self.joints),
            _Field("command", size=self.commands),
        )

    @cached_property
    def _fields(self) -> tuple[_Field, ...]:
        arrays = {"joint_pos": self.joints, "joint_vel": self.joints, "joint_effort": self.joints}
        arrays |= {"gravity": 3, "gyro": 3, "command": self.commands}
        return (
            _Field("number", _FIXED32),
            *(_Field(name) for name in ("time", "late", "age")),
            *(_Field(name, size=size) for name, size in arrays.items()),
            *(_Field(name, _MESSAGE, inner=self._action) for name in PROPOSALS),
            *(_Field(name, size=self.cameras) for name in ("camera_time", "camera_age")),
        )

    @cached_property
    def blank(self) -> Rows:
        """(1,) a tick of which nothing is known: tags in place, NaN in every value."""
        rows = np.zeros(1, self.dtype)
        _stamp(rows, self._fields)
        return rows


def _fill(rows: Rows, action: Action) -> None:
    rows["source"] = SOURCES.index(action.source) + 1
    rows["risk"], rows["joint_pos"] = action.risk, action.joint_pos
    # Note: "nothing was commanded" has no size of its own
    rows["command"] = np.nan if np.isnan(action.command).all() else action.command


def _dtype(fields: tuple[_Field, ...]) -> np.dtype[np.void]:
    parts: list[tuple[str, object, tuple[int, ...]]] = []
    for number, field in enumerate(fields, 1):
        value = _value(field)
        parts.append(("#" + field.name, "u1", (len(_tag(number, field)),)))
        parts.append((field.name, *value))
    return np.dtype(parts)


def _value(field: _Field) -> tuple[object, tuple[int, ...]]:
    """Numpy type and shape of a field's value."""
    if field.inner:
        return _dtype(field.inner), ()
    return _SCALAR[field.kind], () if field.size is None else (field.size,)


def _tag(number: int, field: _Field) -> bytes:
    """The bytes before a field's value: its key, and its length where that is not implied."""
    if field.inner or field.size is not None:
        kind, shape = _value(field)
        length = np.dtype((kind, shape)).itemsize
        return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)
    return _varint(number << 3 | _WIRE_TYPE[field.kind])


def _varint(value: int) -> bytes:
    head = bytearray()
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(head) + bytes([value])


def _stamp(rows: Rows, fields: tuple[_Field, ...]) -> None:
    """Write the constant tags, and NaN ("not measured") into every double."""
    for number, field in enumerate(fields, 1):
        rows["#" + field.name] = np.frombuffer(_tag(number, field), np.uint8)
        if field.inner:
            _stamp(rows[field.name], field.inner)
        elif field.kind == _DOUBLE:
            rows[field.name] = np.nan


def _describe(name: str, fields: tuple[_Field, ...]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for number, field in enumerate(fields, 1):
        repeated = field.size is not None
        entry = message.field.add(name=field.name, number=number, type=field.kind)
        entry.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        if field.kind in (_ENUM, _MESSAGE):
            entry.type_name = ".leash.Source" if field.kind == _ENUM else ".leash.Action"
    return message
