"""The Stanford Pupper v2 as a `Robot`: on the machine, or on anything that speaks its firmware's protocol."""

import gc
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, Self

import numpy as np

from robot.calibration import Calibration
from robot.clock import Clock, Grid, MonotonicClock
from robot.errors import GateLatched, RobotError
from robot.gate_link import GateLink
from robot.gate_messages import Ack, Arm, Command, Config, Report
from robot.image import Image
from robot.pupper_wire import JOINTS, Telemetry
from robot.spec import Spec
from robot.types import Action, Array, Observation, Source, unknown

TTL = 0.1
"""A command older than this is worthless [s]."""
ANSWER = 0.04
"""How long a tick may wait for the gate's answer [s]."""
SILENCE = 5.0
"""How long a powered robot may take to say anything [s]."""
HOMING = 25.0
"""How long homing may take, power-up included; about 7 s is usual [s]."""
ARMING = 4.0
"""How long arming may take: an ending soft stop, then a second of healthy telemetry [s]."""
RAMP, SETTLE = 2.0, 0.5
"""Time to reach the stand pose, and to come to rest in it [s]."""
TORQUE = 0.18
"""Joint torque of the M2006 behind its gear, driving [N m/A]."""
REST_SLACK = 0.3
"""How far from its rest angle a joint may lie after homing [rad]; knees end between -2.95 and -2.6."""
KNEE_REST = (-2.95, -2.6)


UNSEEN = Telemetry(-math.inf, math.nan, (math.nan,) * JOINTS, (math.nan,) * JOINTS)
"""The state before the first one."""


class Eye(Protocol):
    """The part of a camera that the driver needs; whoever opened it closes it."""

    def latest(self) -> Image | None:
        """The newest frame, at once; None before the first."""
        ...


class Link(Protocol):
    """The gate, as the driver speaks to it; `robot.gate_link.GateLink` runs it as a process."""

    def wait(self, timeout: float) -> Report:
        """Wait for news [s]; return the newest report."""
        ...

    def poll(self) -> Report:
        """The newest report, without waiting."""
        ...

    def take_frames(self) -> list[Telemetry]:
        """The states reported since the last call, oldest first; of very many only the newest."""
        ...

    def ask(self, question: Arm | Command, timeout: float) -> Ack | None:
        """Ask, and wait for the answer; None when none comes in time [s]."""
        ...

    def stop(self, cause: str) -> None:
        """Ask for a soft stop."""
        ...

    def close(self) -> None:
        """Let go: the gate makes the robot safe and ends."""
        ...


class Pupper:
    """Fits `Robot`. Everything that moves goes through the gate process, which outlives us by what safety takes."""

    def __init__(
        self,
        spec: Spec,
        port: str,
        *,
        cameras: Mapping[str, Eye] | None = None,
        calibration: Calibration | None = None,
        needs_imu: bool = False,
        clock: Clock | None = None,
        gate: Callable[[Config], Link] = GateLink,
    ) -> None:
        """`clock` and `gate` are the machine's own and a process, unless a simulator keeps time (`sim.lockstep`)."""
        self._spec = spec
        self._port = port
        self._cameras = cameras or {}
        self._calibration = calibration or Calibration.identity(spec)
        self._needs_imu = needs_imu
        self._clock = clock or MonotonicClock()
        self._grid = Grid(spec.period, self._clock)
        self._link: Link | None = None
        self._open = gate
        self._consent = True
        self._session = self._seq = 0
        self._target: tuple[float, ...] = ()
        self._answered = True
        self._frame = UNSEEN

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._spec

    @property
    def gate(self) -> Report:
        """What the gate last said: phase, cause of a stop, whether only a person may go on."""
        report = self._gate.poll()
        self._frame = report.frame or self._frame
        return report

    @property
    def gate_stops(self) -> int:
        """How often the gate stopped the robot by itself since it was opened."""
        return self.gate.stops

    def __enter__(self) -> Self:
        self._link = self._open(_config(self._spec, self._port, self._calibration))
        try:
            self._wait_for_homing()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def reset(self) -> None:
        """Stand up, slowly, from wherever the robot is; it then holds the pose until the first `send`.

        Raises GateLatched when the gate stopped the robot and nobody has called `rearm` since.
        """
        report = self.gate
        if report.latched and not self._consent:
            raise GateLatched(
                f"the gate stopped the robot: {report.cause}; see to the robot, then start again (rearm) to stand up"
            )
        self.pause()
        # Note: a full collection in a process that holds torch takes longer than the gate waits for a command.
        gc.collect()
        gc.freeze()
        self._arm()
        self._consent = False
        self._ramp(self._held(), self._spec.stand)
        self.pause()
        # Note: a tick of distance, or the gate would refuse the first command as too soon after the ramp's last.
        self._clock.sleep_until(self._clock.now() + self._spec.period)
        self._grid.restart()

    def rearm(self) -> None:
        """A person's consent, once, to go on after the gate has stopped the robot; the next `reset` uses it."""
        self._consent = True

    def pause(self) -> None:
        """Between episodes: hold the pose without commands. Without a `reset` within 30 s the legs sink softly."""
        if self.gate.phase == "armed":
            self._begin_session()

    def observe(self) -> Observation:
        """Wait for the next slot of the grid and return the newest state, with its age.

        The firmware's angles are taken as roll about x, then pitch about y, then yaw about z (R = Rz Ry Rx), so that
        gravity in the body frame, R^T (0, 0, -1), is (sin p, -sin r cos p, -cos r cos p).
        """
        late = self._grid.wait()
        frame = self._newest()
        now = self._clock.now()
        gravity, gyro = self._orientation(frame)
        raw = self._calibration
        return Observation(
            time=frame.time,
            late=late,
            joint_pos=raw.to_joints(np.array(frame.pos)),
            joint_vel=raw.turned(np.array(frame.vel)),
            joint_effort=unknown(len(frame.pos)) if frame.cur is None else raw.turned(TORQUE * np.array(frame.cur)),
            gravity=gravity,
            gyro=gyro,
            command=unknown(3),
            images={name: image for name, eye in self._cameras.items() if (image := eye.latest()) is not None},
            age=now - frame.time,
        )

    def frames(self) -> list[Telemetry]:
        """Every state that came since the last call, oldest first, in the machine's own angles; `observe` has one."""
        return self._gate.take_frames()

    def send(self, action: Action) -> Action:
        """Send a target through the gate; return what really went out.

        When the gate refused, or the action has expired, that is the target it holds: with source "hold" while it goes
        on taking commands, with "safety" once it has stopped the robot.
        """
        if action.source == "safety":
            self._gate.stop("a soft stop was asked for")
            return Action(self._held(), action.command, "safety", action.risk)
        if self._clock.now() > action.expires:
            action = replace(action, source="hold", expires=math.inf)
        ack = self._command(self._held() if action.source == "hold" else action.joint_pos, action.expires)
        if ack is None or ack.refusal:
            armed = self.gate.phase == "armed" if ack is None else ack.armed
            source: Source = "hold" if armed else "safety"
            return Action(self._held(), action.command, source, action.risk)
        sent = self._calibration.to_joints(np.array(ack.target))
        return Action(sent, action.command, action.source, action.risk)

    @property
    def _gate(self) -> Link:
        if self._link is None:
            raise RobotError("the robot is not open; use it inside `with`")
        return self._link

    def _wait_for_homing(self) -> None:
        """Watch, without a word, until the gate says that homing is over. Raises RobotError naming what is awaited."""
        begun = self._clock.now()
        while True:
            report = self._gate.wait(0.1)
            passed = self._clock.now() - begun
            if report.ready:
                break
            if passed > (HOMING if report.frame else SILENCE):
                seen = report.waiting + (f", it says {report.line!r}" if report.line else "")
                raise RobotError(f"{self._port} is not ready after {passed:.0f} s: {seen}; power-cycle the robot")
        if self._needs_imu and self._newest().imu is None:
            raise RobotError(f"the policy needs an IMU but {self._port} sends zeros; flash firmware that has it on")

    def _newest(self) -> Telemetry:
        """The newest frame; an old one when the port went away."""
        return self.gate.frame or self._frame

    def _held(self) -> Array:
        """(n,) the target that the gate holds [rad]; where the joints are before there was one.

        After an answer that was late, only the gate's report says whether the command went out.
        """
        target = self._target if self._answered else self.gate.target
        return self._calibration.to_joints(np.array(target or self._newest().pos))

    def _orientation(self, frame: Telemetry) -> tuple[Array, Array]:
        """Gravity (3,) and gyro (3,) in the body frame; NaN without an IMU."""
        if frame.imu is None:
            return unknown(3), unknown(3)
        roll, pitch = frame.imu[:2]
        down = (math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch))
        rates = np.array(frame.imu[3:]) - np.array(self._calibration.gyro_bias)
        return self._calibration.to_body(self._calibration.upright(np.array(down))), self._calibration.to_body(rates)

    def _arm(self) -> None:
        """Arm the gate; asks again while it still stops or gathers telemetry. Raises RobotError."""
        until = self._clock.now() + ARMING
        while refusal := self._begin_session():
            if self._clock.now() > until:
                raise RobotError(f"the gate does not arm: {refusal}")
            self._gate.wait(0.05)

    def _begin_session(self) -> str:
        """Ask for a fresh session; return why it was refused, or nothing."""
        self._session, self._seq = max(self._session + 1, int(self._clock.now() * 1e9)), 0
        return _refusal(self._ask(Arm(self._session, person=self._consent)))

    def _command(self, target: Array, expires: float = math.inf) -> Ack | None:
        """Ask the gate to send one target (n,) [rad]; one of another shape goes as it is, to be refused there."""
        self._seq += 1
        raw = self._calibration.to_raw(target) if target.shape == self._spec.lower.shape else target.ravel()
        now = self._clock.now()
        return self._ask(Command(self._session, self._seq, now, min(TTL, expires - now), tuple(raw.tolist())))

    def _ask(self, question: Arm | Command) -> Ack | None:
        ack = self._gate.ask(question, ANSWER)
        self._answered = ack is not None
        self._target = self._target if ack is None else ack.target
        return ack

    def _ramp(self, begin: Array, end: Array) -> None:
        """Move from one pose (n,) to another with smooth speed, then let the robot settle. Raises GateLatched."""
        grid = Grid(self._spec.period, self._clock)
        for passed in np.arange(0.0, RAMP + SETTLE, self._spec.period):
            grid.wait()
            share = 0.5 - 0.5 * math.cos(math.pi * min(1.0, passed / RAMP))
            ack = self._command(begin + share * (end - begin))
            if ack is not None and not ack.armed:
                raise GateLatched(f"the gate stopped the robot while it stood up: {ack.refusal}")


def _refusal(ack: Ack | None) -> str:
    """Why the gate did not do what it was asked; empty when it did."""
    return "no answer in time" if ack is None else ack.refusal


def _config(spec: Spec, port: str, calibration: Calibration) -> Config:
    """What the gate must know, in the firmware's own angles."""
    knees = np.array([name.endswith("knee") for name in spec.names])
    rest_lower, rest_upper = spec.rest - REST_SLACK, spec.rest + REST_SLACK
    rest_lower[knees], rest_upper[knees] = KNEE_REST
    lower, upper = _between(calibration, spec.lower, spec.upper)
    rest_low, rest_high = _between(calibration, rest_lower, rest_upper)
    return Config(
        port=port,
        names=spec.names,
        lower=lower,
        upper=upper,
        step=tuple(spec.step.tolist()),
        rest_lower=rest_low,
        rest_upper=rest_high,
        kp=spec.gains.kp,
        kd=spec.gains.kd,
        max_current=spec.gains.max_current,
        tick=spec.period,
    )


def _between(calibration: Calibration, lower: Array, upper: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds (n,) in the machine's own angles; a joint that turns the other way swaps its two."""
    ends = np.stack([calibration.to_raw(lower), calibration.to_raw(upper)])
    return tuple(ends.min(axis=0).tolist()), tuple(ends.max(axis=0).tolist())
