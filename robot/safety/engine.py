"""The gate without its sockets: bytes and questions in, bytes and answers out.

The process (robot/safety/process.py) runs it on a serial port in real time; a simulator may run it in virtual time.
The codec says what bytes mean, robot/safety/core.py decides what is done about it.
"""

from collections.abc import Iterator, Sequence

from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.safety.core import deadline, step, waiting
from leash_robot.robot.safety.messages import Ack, GateConfig, GateReport
from leash_robot.robot.safety.state import Event, GateState

INHERITED = GateState(phase="damped", latched=True, cause="the gate before this one ended without a word")
"""Whatever an earlier gate left: perhaps current, so that damping comes first."""


class Engine:
    """One gate's state and codec. Times are of whatever clock the caller goes by [s]. Raises SpecError."""

    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self.state = INHERITED if config.inherited else GateState()
        self.codec = load_codec(config)

    def forget(self) -> None:
        """Know nothing of the robot behind the port any more: it may be another one."""
        self.codec = load_codec(self.config)

    @property
    def due(self) -> float:
        """When `step` must be called again even if nothing happens."""
        return deadline(self.state, self.config)

    @property
    def poll_due(self) -> float:
        """When `poll` must be called."""
        return self.codec.due

    def poll(self, now: float) -> Sequence[bytes]:
        """The frames by which the codec asks the robot for its state; none where telemetry comes by itself."""
        return self.codec.poll(now) if now >= self.codec.due else ()

    def heard(self, data: bytes, now: float) -> Iterator[Event]:
        """The events, for `step`, in what the robot sent; a burst is judged frame by frame."""
        return self.codec.feed(data, now)

    def step(self, event: Event, now: float) -> tuple[list[bytes], Ack | None]:
        """Let the core decide; return the frames to write and the answer if one is due."""
        self.state, writes, ack = step(self.state, event, now, self.config)
        return [frame for write in writes for frame in self.codec.encode(write)], ack

    def report(self, now: float, *, connected: bool = True) -> GateReport:
        """What the driver may know; `connected` says whether the port is open."""
        state = self.state
        return GateReport(
            phase=state.phase,
            latched=state.latched,
            cause=state.cause,
            ready=state.ready,
            waiting=waiting(state, self.config, now),
            stops=state.stops,
            rejected=self.codec.rejected,
            line=self.codec.line,
            target=state.target,
            frame=state.frame,
            session=state.session,
            seq=state.seq,
            connected=connected,
        )
