"""What the gate needs of one kind of robot: how bytes become joint states, and how decisions become bytes.

A body's package implements `Codec`; the gate finds it by the name in its `GateConfig`. Nothing here or in an
implementation may import numpy or YAML, or the gate starts in 140 ms instead of 40.
"""

import importlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.messages import GateConfig, Telemetry
from leash_robot.robot.safety.state import GateFault, Write


class Codec(Protocol):
    """One robot's side of the wire. It is made from a `GateConfig`, and made anew when the port was away.

    A robot that pushes telemetry has nothing to poll. Where states have to be requested, `poll` writes the request when
    it is due; on a half-duplex bus `encode` may return nothing and leave its frame to the next `poll`.
    """

    rejected: int
    """How many frames decoded but were implausible."""
    line: str
    """The newest line of text from the firmware."""

    @property
    def due(self) -> float:
        """When `poll` must be called [s]; infinite while there is nothing to write."""
        ...

    def poll(self, now: float) -> Sequence[bytes]:
        """The frames to write at time `now` [s], for instance a request for the next state."""
        ...

    def flush(self) -> Sequence[bytes]:
        """The frames that `encode` left to the next `poll`: the gate ends, so they go out now."""
        ...

    def feed(self, data: bytes, now: float) -> Iterator[Telemetry | GateFault]:
        """The states and faults in bytes that were read at time `now` [s], oldest first."""
        ...

    def encode(self, write: Write) -> Sequence[bytes]:
        """The frames of one decision, in order."""
        ...


def load_codec(config: GateConfig) -> Codec:
    """The codec that a config names. Raises SpecError when there is none, or when the config does not suit it."""
    module, _, name = config.codec.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"the gate has no codec {config.codec!r}: {error}") from None
    codec: Codec = make(config)
    return codec
