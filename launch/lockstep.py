"""The twin in lock-step under the ordinary driver and the gate's own rules: one thread, virtual time, no waiting.

The driver is `robot.pupper.Pupper`, the decisions are `robot.gate_core`'s, the bytes are the firmware's. Only
processes, sockets and the clock are left out, so that a run takes a fraction of its time and ends the same every time.
"""

from robot.calibration import Calibration
from robot.gate import encode
from robot.gate_core import Event, Leave, State, deadline, step, waiting
from robot.gate_messages import Ack, Arm, Command, Config, Report, Stop
from robot.plausible import Plausibility
from robot.pupper import Pupper
from robot.pupper_wire import Telemetry, TelemetryParser
from robot.spec import Spec
from sim.twin_machine import Twin

LONGEST_END = 5.0
"""By then a gate that was told to leave has ended [s]."""
DELIVERY_MS = 200
"""How long the line may take to carry the last words [ms]."""


class LockstepGate:
    """Fits `robot.pupper.Link`."""

    def __init__(self, twin: Twin, config: Config) -> None:
        self._twin, self._config = twin, config
        self._state = State()
        self._parser, self._plausibility = TelemetryParser(), Plausibility()
        self._frames: list[Telemetry] = []

    @property
    def now(self) -> float:
        """Virtual time [s]."""
        return self._twin.ms * 1e-3

    def advance(self) -> None:
        """Let a millisecond pass."""
        self._twin.advance(1)
        data = self._twin.read()
        for frame in self._parser.feed(data, self.now) if data else ():
            if self._plausibility.accept(frame):
                self._step(frame)
                self._frames.append(frame)
        if self.now >= deadline(self._state, self._config):
            self._step(None)

    def poll(self) -> Report:
        """What the gate sees and does."""
        state = self._state
        return Report(
            phase=state.phase,
            latched=state.latched,
            cause=state.cause,
            ready=state.ready,
            waiting=waiting(state, self._config, self.now),
            stops=state.stops,
            rejected=self._plausibility.rejected,
            target=state.target,
            frame=state.frame,
        )

    def wait(self, timeout: float) -> Report:
        """Let time pass."""
        for _ in range(max(1, round(timeout * 1e3))):
            self.advance()
        return self.poll()

    def take_frames(self) -> list[Telemetry]:
        """The states since the last call."""
        frames, self._frames = self._frames, []
        return frames

    def ask(self, question: Arm | Command, timeout: float) -> Ack | None:
        """The answer comes at once."""
        return self._step(question)

    def stop(self, cause: str) -> None:
        """Soft stop."""
        self._step(Stop(cause))

    def close(self) -> None:
        """Make the robot safe."""
        self._step(Leave("the driver is gone"))
        end = self.now + LONGEST_END
        while self._state.phase != "off" and self.now < end:
            self.advance()
        for _ in range(DELIVERY_MS):
            self._twin.advance(1)

    def _step(self, event: Event) -> Ack | None:
        self._state, writes, ack = step(self._state, event, self.now, self._config)
        for write in writes:
            self._twin.write(encode(write, self._config))
        return ack


class LockstepClock:
    """Fits `robot.clock.Clock`: sleeping runs the twin."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self.gate: LockstepGate | None = None

    def now(self) -> float:
        """Virtual time [s]."""
        return self._twin.ms * 1e-3

    def sleep_until(self, when: float) -> None:
        """Run the twin up to `when`."""
        while self.gate is not None and self.now() < when - 1e-9:
            self.gate.advance()


def lockstep(twin: Twin, spec: Spec, calibration: Calibration) -> Pupper:
    """The ordinary driver on this twin, in virtual time; use it inside `with`."""
    clock = LockstepClock(twin)

    def open_gate(config: Config) -> LockstepGate:
        clock.gate = LockstepGate(twin, config)
        return clock.gate

    return Pupper(spec, "lockstep", calibration=calibration, clock=clock, gate=open_gate)
