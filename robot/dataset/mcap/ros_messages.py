"""The two ROS 2 messages that viewers know how to plot and show, as CDR bytes: JointState and CompressedImage.

Encoding: little-endian XCDR1, every primitive aligned to its size counted from after the four-byte encapsulation
header (OMG DDSI-RTPS 2.3, section 10; DDS-XTypes 1.3, section 7.4.3).
"""

import struct
from collections.abc import Sequence

import numpy as np

from leash_robot.robot.dataset.metadata import NANO
from leash_robot.robot.types import Array

_HEADER = """std_msgs/Header header
{fields}
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""

JOINT_STATE = "sensor_msgs/msg/JointState"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"

DEFINITIONS = {
    JOINT_STATE: _HEADER.format(fields="string[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort"),
    COMPRESSED_IMAGE: _HEADER.format(fields="string format\nuint8[] data"),
}
"""Field lists in the syntax of ros2msg schemas."""


class _Cdr:
    """Bytes under construction."""

    def __init__(self) -> None:
        self.data = bytearray(b"\x00\x01\x00\x00")

    def align(self, size: int) -> None:
        self.data += bytes((4 - len(self.data)) % size)

    def integer(self, value: int) -> None:
        self.align(4)
        self.data += struct.pack("<I", value)

    def text(self, value: str) -> None:
        raw = value.encode() + b"\0"
        self.integer(len(raw))
        self.data += raw

    def doubles(self, values: Array) -> None:
        self.integer(len(values))
        if len(values):
            self.align(8)
            self.data += np.ascontiguousarray(values, "<f8").tobytes()

    def header(self, stamp: int, frame: str) -> None:
        seconds, nanoseconds = divmod(stamp, NANO)
        self.integer(seconds & 0xFFFFFFFF)
        self.integer(nanoseconds)
        self.text(frame)


def joint_state(stamp: int, names: Sequence[str], position: Array, velocity: Array, effort: Array) -> bytes:
    """A JointState: arrays (n,) or empty, stamp in wall-clock nanoseconds."""
    cdr = _Cdr()
    cdr.header(stamp, "")
    cdr.integer(len(names))
    for name in names:
        cdr.text(name)
    for values in (position, velocity, effort):
        cdr.doubles(values)
    return bytes(cdr.data)


def compressed_image(stamp: int, frame: str, jpeg: bytes) -> bytes:
    """A CompressedImage of one JPEG, stamp = capture time in wall-clock nanoseconds."""
    cdr = _Cdr()
    cdr.header(stamp, frame)
    cdr.text("jpeg")
    cdr.integer(len(jpeg))
    return bytes(cdr.data) + jpeg


def jpeg_offset(frame: str) -> int:
    """Where in a CompressedImage written by `compressed_image` the JPEG begins."""
    return len(compressed_image(0, frame, b""))
