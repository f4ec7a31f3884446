"""A robot behind the safety gate, as a `Robot`: on the machine, or on anything that speaks its protocol.

A body's driver derives from it, and says what its gate must know, what it senses, and when it may move.
"""

import abc
import contextlib
import gc
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import numpy as np

from leash_robot.robot.bodies.registry import Wiring
from leash_robot.robot.bodies.senses import Senses
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Eye
from leash_robot.robot.clock import Clock, Grid, MonotonicClock
from leash_robot.robot.errors import GateLatched, RearmRefused, RobotError, Stopped
from leash_robot.robot.limits import timely
from leash_robot.robot.posture import folding, lying_down, standing_up
from leash_robot.robot.safety.client import GateClient, GateLink
from leash_robot.robot.safety.core import UNHOMED
from leash_robot.robot.safety.messages import Ack, Arm, Command, GateConfig, GateReport, Telemetry
from leash_robot.robot.serial.port_names import whereabouts
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Source, Watch, unattended, unknown

ANSWER, TTL = 0.04, 0.75
"""How long a tick may wait for the gate's answer [s], and the part of it after which the gate refuses a command: so
that one whose answer is missed did not go out.
"""
NEWS = 0.002
"""How long after its answer a gate reports what it did [s]."""
SILENCE = 5.0
"""How long a powered robot may take to say anything [s]."""
HOMING = 25.0
"""How long homing may take, power-up included; about 7 s is usual [s]."""
ARMING = 4.0
"""How long arming may take: an ending soft stop, then a second of healthy telemetry [s]."""
POLL = 0.05
"""A person is heard at least this often while the robot moves by itself [s]."""


class GatedRobot(abc.ABC):
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
        gate: Callable[[GateConfig], GateClient] = GateLink,
    ) -> None:
        """`clock` and `gate` are the machine's own and a process, unless a simulator keeps time."""
        self.watch: Watch = unattended
        """Asked while the robot homes, stands up and lies down; between `observe` and `send`, the policy sees to it."""
        self._spec = spec
        self._port = port
        self._cameras = cameras or {}
        self._calibration = calibration or Calibration.identity(spec)
        self._needs_imu = needs_imu
        self._clock = clock or MonotonicClock()
        self._grid = Grid(spec.period, self._clock)
        self._link: GateClient | None = None
        self._open = gate
        self._pressing = threading.Lock()
        self._presses = 0
        """How often a person has stopped the robot; the gate counts along."""
        self._consent: int | None = 0
        """How many stops of a person's the next `reset` may end; None without their consent."""
        self._session = self._seq = 0
        self._target: tuple[float, ...] = ()
        self._answered = True
        nothing = (math.nan,) * len(spec.joints)
        self._frame = Telemetry(-math.inf, math.nan, nothing, nothing)

    moves = ("went to rest", "went to its stand pose", "went to rest")
    """What the robot did when a move of its own is broken off: before it stands, to stand, at the end."""

    @classmethod
    def of(cls, how: Wiring) -> Self:
        """The driver as the registry of bodies opens it."""
        robot = cls(how.spec, how.port, cameras=how.cameras, calibration=how.calibration, needs_imu=how.needs_imu)
        robot.watch = how.watch
        return robot

    @abc.abstractmethod
    def gate_config(self) -> GateConfig:
        """What the gate must know."""

    def sense(self, frame: Telemetry) -> Senses:
        """What a state says beside positions and speeds."""
        return Senses(unknown(3), unknown(3), unknown(len(frame.pos)))

    def check_state(self, frame: Telemetry) -> None:  # noqa: B027
        """Raise RobotError when a robot that is ready does not send what is needed of it."""

    def check_before_moving(self, *, person: bool) -> None:  # noqa: B027
        """Raise RearmRefused when the joints must not be moved; `person` says whether one consents to end a stop."""

    def check_before_standing(self, *, person: bool) -> None:  # noqa: B027
        """Raise RearmRefused when the robot, which now rests or stands, must not go to its stand pose."""

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._spec

    @property
    def gate(self) -> GateReport:
        """What the gate last said: phase, cause of a stop, whether only a person may go on."""
        report = self._gate.poll()
        self._frame = report.frame or self._frame
        return report

    @property
    def gate_stops(self) -> int:
        """How often the gate stopped the robot by itself since it was opened."""
        return self.gate.stops

    def __enter__(self) -> Self:
        self._link = self._open(self.gate_config())
        try:
            self._wait_for_homing()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """A planned end, Ctrl-C included, lies down first. Raises RobotError when current may be left on."""
        if self._link is None:
            return
        planned = not any(exc) or isinstance(exc[1], KeyboardInterrupt)
        try:
            # Note: a gate that died or hangs is replaced when it is closed
            with contextlib.suppress(RobotError):
                if planned:
                    self.rest()
        finally:
            left = self._let_go()
        if left and planned:
            raise RobotError(left)
        if left and isinstance(exc[1], BaseException):
            exc[1].add_note(left)

    def reset(self) -> None:
        """Stand up, slowly, from wherever the robot is; it then holds the pose until the first `send`.

        Raises GateLatched when the gate stopped the robot, now or before and nobody has called `rearm` since; Stopped
        when a person did; RearmRefused when it cannot be stood up as it is.
        """
        report = self.gate
        if report.latched and (self._consent is None or self._consent < self._presses):
            raise GateLatched(
                f"the gate stopped the robot: {report.cause}; see to the robot, then start again (rearm) to stand up"
            )
        consent, self._consent = self._consent, None
        self.check_before_moving(person=consent is not None)
        self.pause()
        # Note: a full collection in a process that holds torch takes longer than the gate waits for a command.
        gc.collect()
        gc.freeze()
        self._arm(consent)
        self._follow(folding(self._held(), self._spec), self.moves[0])
        self.check_before_standing(person=consent is not None)
        self._follow(standing_up(self._held(), self._spec), self.moves[1])
        self.pause()
        # Note: a tick of distance, or the gate would refuse the first command as too soon after the ramp's last.
        self._clock.sleep_until(self._clock.now() + self._spec.period)
        self._grid.restart()

    def rest(self) -> None:
        """Stop the motion, lie down and let go of the joints; nothing is done to a robot that was stopped.

        A person's stop, the gate's, or another Ctrl-C, ends it at once.
        """
        if self.gate.phase != "armed":
            return
        try:
            self._follow(lying_down(self._held(), self._spec), self.moves[2])
            self._gate.stop("", "planned")
        except GateLatched:
            pass
        except KeyboardInterrupt:
            self.stop(f"Ctrl-C while the robot {self.moves[2]}")
            raise

    def rearm(self) -> None:
        """A person's consent, once, to go on after the gate has stopped the robot; the next `reset` uses it.

        It does not end a stop that a person presses later.
        """
        self._consent = self._presses

    def stop(self, cause: str) -> None:
        """A person stops the robot, whatever it does. From any thread."""
        with self._pressing:
            if (link := self._link) is not None:
                self._presses += 1
                link.stop(cause, "person")

    def pause(self) -> None:
        """Between episodes: hold the pose without commands. Without a `reset` within 5 s the legs sink softly."""
        if self.gate.phase == "armed":
            self._begin_session()

    def observe(self) -> Observation:
        """Wait for the next slot of the grid and return the newest state, with its age."""
        return self._seen(self._grid.wait())

    def _seen(self, late: float = 0.0) -> Observation:
        """The newest state as an observation."""
        frame = self._newest()
        now = self._clock.now()
        senses, raw = self.sense(frame), self._calibration
        return Observation(
            time=frame.time,
            late=late,
            joint_pos=raw.to_joints(np.array(frame.pos)),
            joint_vel=raw.turned(np.array(frame.vel)),
            joint_effort=senses.effort,
            gravity=senses.gravity,
            gyro=senses.gyro,
            command=unknown(len(self._spec.commanded)),
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
        action = timely(action, self._clock.now())
        ack = self._command(self._held() if action.source == "hold" else action.joint_pos, action.expires)
        refused: Source = "hold" if ack.armed else "safety"
        return Action(self._held(), action.command, refused if ack.refusal else action.source, action.risk)

    @property
    def _gate(self) -> GateClient:
        if self._link is None:
            raise RobotError("the robot is not open; use it inside `with`")
        return self._link

    def _let_go(self) -> str:
        """Close the gate, which makes the robot safe; what remains to be done by hand."""
        link, self._link = self._gate, None
        return link.close()

    def _wait_for_homing(self) -> None:
        """Send nothing until the gate says that homing is over. A person's stop keeps the robot from standing up then;
        one that cuts homing off raises Stopped. Raises RobotError naming what is awaited.
        """
        begun, stopped = self._clock.now(), ""
        while True:
            report = self._gate.wait(POLL)
            passed = self._clock.now() - begun
            if cause := self.watch(self._seen()):
                stopped, self._consent = cause, None
                self.stop(cause)
            if report.ready:
                break
            if report.waiting == UNHOMED:
                raise Stopped(f"{stopped}: {report.waiting}")
            if passed > (HOMING if report.frame else SILENCE):
                seen = report.waiting + (f", it says {report.line!r}" if report.line else "")
                remedy = whereabouts(self._port, self._calibration.serial) or "power-cycle the robot"
                raise RobotError(f"{self._port} is not ready after {passed:.0f} s: {seen}; {remedy}")
        self.check_state(self._newest())

    def _newest(self) -> Telemetry:
        """The newest frame; an old one when the port went away."""
        return self.gate.frame or self._frame

    def _held(self) -> Array:
        """(n,) the target that the gate holds [rad]; where the joints are before there was one."""
        target = self._target if self._answered else self.gate.target
        return self._calibration.to_joints(np.array(target or self._newest().pos))

    def _attend(self) -> None:
        """Let a person stop the robot. Raises Stopped."""
        if cause := self.watch(self._seen()):
            self.stop(cause)
            raise Stopped(cause)

    def _arm(self, consent: int | None) -> None:
        """Arm the gate; asks again while it still stops or gathers telemetry. Raises RearmRefused and Stopped."""
        until = self._clock.now() + ARMING
        self._attend()
        while refusal := self._begin_session(consent):
            if self._clock.now() > until:
                away = whereabouts(self._port, self._calibration.serial)
                raise RearmRefused(f"the gate does not arm: {refusal}" + (f"; {away}" if away else ""))
            self._gate.wait(POLL)
            self._attend()

    def _begin_session(self, consent: int | None = None) -> str:
        """Ask for a fresh session; return why it was refused, or nothing."""
        self._session, self._seq = max(self._session + 1, int(self._clock.now() * 1e9)), 0
        return self._ask(Arm(self._session, consent is not None, consent or 0)).refusal

    def _command(self, target: Array, expires: float = math.inf) -> Ack:
        """Ask the gate to send one target (n,) [rad]; one of another shape goes as it is, to be refused there."""
        self._seq += 1
        raw = self._calibration.to_raw(target) if target.shape == self._spec.lower.shape else target.ravel()
        now = self._clock.now()
        return self._ask(Command(self._session, self._seq, now, min(TTL * ANSWER, expires - now), tuple(raw.tolist())))

    def _ask(self, question: Arm | Command) -> Ack:
        """Ask the gate. Where no answer comes in time, its report says whether the command went out."""
        # Note: an interruption between question and answer leaves it to the report, too
        self._answered = False
        ack = self._gate.ask(question, ANSWER)
        self._answered = ack is not None
        if ack is None:
            report, number = self._gate.wait(NEWS), question.seq if isinstance(question, Command) else 0
            done = (report.session, report.seq) == (question.session, number)
            refusal, armed = "" if done else "no answer in time", report.phase == "armed"
            ack = Ack(question.session, number, refusal, report.target, armed)
        self._target = ack.target
        return ack

    def _follow(self, targets: Iterable[Array], what: str) -> None:
        """Send targets (n,), one a tick, while a person may stop it. Raises GateLatched and Stopped."""
        grid = Grid(self._spec.period, self._clock)
        for target in targets:
            grid.wait()
            self._attend()
            ack = self._command(target)
            if not ack.armed:
                raise GateLatched(f"the gate stopped the robot while it {what}: {ack.refusal}")
