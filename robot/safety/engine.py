"""The gate without its sockets: bytes and questions in, bytes and answers out.

The process (robot/gate.py) runs it on a serial port in real time; a simulator may run it in virtual time. What counts
as true is decided by robot/plausible.py, what is done about it by robot/gate_core.py.
"""

from collections.abc import Iterator

from leash_robot.robot.bodies.pupper.protocol import IDLE, TelemetryParser, encode_gains, encode_target
from leash_robot.robot.bodies.pupper.telemetry_filter import Plausibility
from leash_robot.robot.safety.core import deadline, step, waiting
from leash_robot.robot.safety.messages import Ack, Config, Report
from leash_robot.robot.safety.state import Event, Fault, State, Write

ALARMS = ("ERROR", "hit fault position", "too large")
"""Text by which the firmware says that it has switched the motors off."""


INHERITED = State(phase="damped", latched=True, cause="the gate before this one ended without a word")
"""Whatever an earlier gate left: perhaps current, so that damping comes first."""


class Engine:
    """One gate's judgement. Times are of whatever clock the caller goes by [s]."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.state = INHERITED if config.inherited else State()
        self._text = ""
        self.forget()

    def forget(self) -> None:
        """Know nothing of the robot behind the port any more: it may be another one."""
        self._parser, self._plausibility = TelemetryParser(), Plausibility()

    @property
    def due(self) -> float:
        """When `step` must be called again even if nothing happens."""
        return deadline(self.state, self.config)

    def heard(self, data: bytes, now: float) -> Iterator[Event]:
        """The events, for `step`, in what the firmware sent; a burst is judged frame by frame."""
        for frame in self._parser.feed(data, now) if data else ():
            if self._plausibility.accept(frame):
                yield frame
            elif self._plausibility.fault:
                yield Fault(self._plausibility.fault, homed=not self._plausibility.rebooted)
        for text in self._parser.take_lines():
            self._text = text
            if any(alarm in text for alarm in ALARMS):
                yield Fault(f"the firmware says {text!r}", alarm=True)

    def step(self, event: Event, now: float) -> tuple[list[bytes], Ack | None]:
        """Let the core decide; return the frames to write and the answer if one is due."""
        self.state, writes, ack = step(self.state, event, now, self.config)
        return [frame_of(write, self.config) for write in writes], ack

    def report(self, now: float, *, connected: bool = True) -> Report:
        """What the driver may know; `connected` says whether the port is open."""
        state = self.state
        return Report(
            phase=state.phase,
            latched=state.latched,
            cause=state.cause,
            ready=state.ready,
            waiting=waiting(state, self.config, now),
            stops=state.stops,
            rejected=self._plausibility.rejected,
            line=self._text,
            target=state.target,
            frame=state.frame,
            session=state.session,
            seq=state.seq,
            connected=connected,
        )


def frame_of(write: Write, config: Config) -> bytes:
    """The bytes of one decision."""
    if write.kind == "target":
        return encode_target(write.target)
    if write.kind == "idle":
        return IDLE
    return encode_gains(config.kp if write.kind == "gains" else 0.0, config.kd, config.max_current)
