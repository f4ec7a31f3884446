"""The serial robot in virtual time: driver, gate, the firmware's bytes and the twin, as fast as the machine allows.

The same driver, the same gate decisions and the same bytes as through processes and a pseudo-terminal, but time passes
only when somebody waits for it. So a run depends on its seed alone, not on how busy the machine is.
"""

import math

from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import RobotError
from leash_robot.robot.safety.client import KEPT_FRAMES
from leash_robot.robot.safety.engine import Engine
from leash_robot.robot.safety.messages import (
    Ack,
    Arm,
    Command,
    GateConfig,
    GateReport,
    Stop,
    StopKind,
    Telemetry,
    check,
)
from leash_robot.robot.safety.state import Event, Leave
from leash_robot.robot.spec import Spec
from leash_robot.sim.twin.machine import Twin

START = 1.0
"""What the clock says when a twin begins to exist [s]."""
TICK = 0.001
"""Of the twin [s]."""


class LockstepGate:
    """Fits `robot.safety.client.Link` and `robot.clock.Clock`: a gate at a twin's port, and the time that both go by.

    An answer costs no time; whoever wants to think for a while says so to `sleep_until`.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._engine: Engine | None = None
        self._now = START + twin.ms * TICK
        self._frames: list[Telemetry] = []

    def open(self, config: GateConfig) -> "LockstepGate":
        """Begin anew, as a gate process would. Raises SpecError."""
        self._engine = Engine(check(config))
        return self

    def now(self) -> float:
        """Virtual time [s]."""
        return self._now

    def sleep_until(self, when: float) -> None:
        """Let time pass; the twin lives every whole millisecond of it."""
        due = math.floor((when - START) / TICK + 1e-6)
        while self._twin.ms < due:
            self._twin.advance(1)
            self._now = START + self._twin.ms * TICK
            self._listen()
        self._now = max(self._now, when)

    def wait(self, timeout: float) -> GateReport:
        """Wait [s] for news; return the newest report."""
        self.sleep_until(self.now() + timeout)
        return self.poll()

    def poll(self) -> GateReport:
        """The newest report."""
        return self._gate.report(self.now())

    def take_frames(self) -> list[Telemetry]:
        """The states since the last call, oldest first."""
        frames, self._frames = self._frames, []
        return frames[-KEPT_FRAMES:]

    def ask(self, question: Arm | Command, timeout: float) -> Ack | None:
        """The answer, at once."""
        return self._step(question)

    def stop(self, cause: str, kind: StopKind = "soft") -> None:
        """Ask for a stop."""
        self._step(Stop(cause, kind))

    def close(self) -> str:
        """Let go: the gate makes the robot safe, which takes about 1.5 s, and ends."""
        gate = self._gate
        self._step(Leave("the driver is gone"))
        while not gate.state.ended:
            self.sleep_until(self.now() + TICK)
        self._twin.advance(math.ceil(self._twin.dynamics.action_latency_ms) + 2)  # until the last frame is there
        self._engine = None
        return ""

    @property
    def _gate(self) -> Engine:
        if self._engine is None:
            raise RobotError("the robot is not open; use it inside `with`")
        return self._engine

    def _listen(self) -> None:
        gate = self._gate
        if data := self._twin.read():
            for event in gate.heard(data, self._now):
                self._step(event)
                if isinstance(event, Telemetry):
                    self._frames.append(event)
        if self._now >= gate.due:
            self._step(None)

    def _step(self, event: Event) -> Ack | None:
        frames, ack = self._gate.step(event, self.now())
        for frame in frames:
            self._twin.write(frame)
        return ack


def lockstep(spec: Spec, twin: Twin, *, calibration: Calibration | None = None, needs_imu: bool = False) -> Pupper:
    """The robot behind the twin's port: a `Robot`, to be used in a `with`, whose time is virtual.

    The twin may be looked at, pushed and changed between two ticks.
    """
    gate = LockstepGate(twin)
    return Pupper(spec, "the twin", calibration=calibration, needs_imu=needs_imu, clock=gate, gate=gate.open)
