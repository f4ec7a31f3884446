"""Scripted policies without a network: stand, and a trot steered by a body velocity command."""

import msgspec
import numpy as np

from leash_robot.policies.scripted.steps import Steps, slide, step
from leash_robot.robot.bodies.pupper.kinematics import FRONT, SIDE, forward, inverse, jacobian
from leash_robot.robot.errors import SpecError
from leash_robot.robot.limits import clamp
from leash_robot.robot.spec import Legs, Spec
from leash_robot.robot.types import Action, Array, Observation

OFFSETS = np.array([0.0, 0.5, 0.5, 0.0])
"""Where in its cycle each foot is when the trot's phase is 0: diagonal pairs, half a cycle apart."""

Row = tuple[float, float, float]


class TrotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the trot walks. Lengths in metres, times in seconds, body frame."""

    steps: Steps = Steps()
    """Timing and shape of a step."""
    height: float = 0.157
    """Hip axes above the foot centres while walking."""
    shift: float = 0.0
    """How far ahead of their hips the feet stand; negative moves the feet back, and the body's weight forward."""
    widen: float = -0.01
    """How far outside their hips the feet stand; negative is narrower."""
    start: float = 0.3
    """Time to go from the stand pose to the walking stance, and back."""
    limit: Row = (0.4, 0.15, 1.0)
    """Largest command that is followed: vx [m/s], vy [m/s], yaw rate [rad/s]."""
    fastest: float = 0.42
    """Largest speed of a foot over the ground [m/s]; a command that asks for more is scaled down as a whole."""
    ramp: Row = (0.8, 0.4, 3.0)
    """Largest change of the followed command a second."""
    scale: Row = (1.0, 1.0, 1.0)
    """What the legs are asked for, per command: makes up for what slip and compliance lose."""
    delay: float = 0.045
    """From a target's computation to the middle of its effect: half a tick, and the latency of the way there."""
    lead: float = 0.95
    """Part of the joints' lag kd/kp that the target leads by."""
    support: float = 23.0
    """Weight that the standing legs are told to carry [N]: leans on the PD's softness in advance."""
    torque_per_amp: float = 0.18
    """Joint torque per ampere [N m/A], which turns `support` into a change of target."""
    steer: float = 0.5
    """Part of the measured error in yaw rate, averaged over about a cycle, that is added to the turn; 0 is blind."""
    deadband: float = 0.01
    """A command whose entries are all smaller than this is a wish to stand."""


class Stand:
    """Fits `Policy`: keeps the spec's stand pose."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        """The stand pose, whatever is seen."""
        return Action(self._spec.stand.copy(), np.zeros(len(self._spec.commanded)))


class Trot:
    """Fits `Policy`: trots at the observed command; stands when the command is NaN or about zero.

    It reads the observation's clock and command, and the gyro when there is one. Raises SpecError for a robot
    without legs.
    """

    follows = tuple((-limit, limit) for limit in TrotConfig().limit)
    """The commands that it follows unless configured otherwise; it cuts off the rest."""

    def __init__(self, spec: Spec, config: TrotConfig | None = None) -> None:
        if spec.legs is None:
            raise SpecError(f"a trot needs four legs; {spec.name} has no `legs` in its spec")
        self._spec = spec
        self._legs: Legs = spec.legs
        self.config = config or TrotConfig()
        self._stand = forward(spec.stand, self._legs)
        self._stance = walking_stance(self._legs, self.config)
        self.reset()

    def reset(self) -> None:
        """Stand, at the start of the cycle."""
        self._time = float("nan")
        self._twist = np.zeros(3)
        self._effort = 0.0
        self._phase = 0.0
        self._astray = 0.0
        self._last: Array = self._spec.stand

    def act(self, obs: Observation) -> Action:
        """The next joint target; the phase follows the observation's clock, so that a missed slot does not shift it."""
        command = self._read(obs.command)
        passed = self._elapsed(obs.time + obs.age)
        self._feel(float(obs.gyro[2]), passed)
        self._advance(command, passed)
        self._last = clamp(self._target(), self._last, self._spec)
        return Action(self._last.copy(), command, source="policy")

    def _read(self, command: Array) -> Array:
        limit = np.array(self.config.limit)
        wanted = np.zeros(3) if np.isnan(command).any() else np.clip(command, -limit, limit)
        if (np.abs(wanted) < self.config.deadband).all():
            return np.zeros(3)
        speed = float(np.linalg.norm(slide(self._stance, wanted), axis=-1).max())
        scaled: Array = wanted * min(1.0, self.config.fastest / speed)
        return scaled

    def _elapsed(self, now: float) -> float:
        passed = 0.0 if np.isnan(self._time) else max(0.0, now - self._time)
        self._time = now
        return passed

    def _feel(self, turning: float, passed: float) -> None:
        """Average the error in yaw rate over about a cycle; without a gyro there is none."""
        wrong = 0.0 if np.isnan(turning) or self._effort < 1.0 else self._twist[2] - turning
        self._astray += (wrong - self._astray) * min(1.0, passed / self.config.steps.period)

    def _advance(self, command: Array, passed: float) -> None:
        """Move phase, followed command and effort (0 stands, 1 walks) by `passed` seconds."""
        reach = np.array(self.config.ramp) * passed
        self._twist = self._twist + np.clip(command - self._twist, -reach, reach)
        moving = bool(np.any(command) or np.any(self._twist))
        if self._effort > 0.0:
            self._phase = (self._phase + passed / self.config.steps.period) % 1.0
        change = passed / self.config.start
        self._effort = min(1.0, self._effort + change) if moving else max(0.0, self._effort - change)
        if self._effort == 0.0:
            self._phase = 0.0

    def _target(self) -> Array:
        """Joint target (12,) that leads the trajectory by the delay and by the joints' lag."""
        if self._effort == 0.0:
            return self._spec.stand.copy()
        phases = (self._phase + self.config.delay / self.config.steps.period + OFFSETS) % 1.0
        feet, velocity = self._feet(phases)
        joints = inverse(feet, self._legs)
        moves = jacobian(joints, self._legs)
        rates = np.linalg.solve(moves, velocity[..., None]).reshape(12)
        target: Array = joints + self.config.lead * self._spec.gains.lag * rates
        target += self._carry(moves, phases)
        return target

    def _feet(self, phases: Array) -> tuple[Array, Array]:
        """Feet (4, 3) and their velocities (4, 3) in the body frame."""
        neutral = self._stand + self._effort * (self._stance - self._stand)
        twist = self._twist * np.array(self.config.scale) + [0.0, 0.0, self.config.steer * self._astray]
        return step(neutral, twist, phases, self.config.steps, self._effort)

    def _carry(self, moves: Array, phases: Array) -> Array:
        """Change of the target (12,) that makes the soft joints press each standing foot down with its share."""
        duty = self.config.steps.duty
        share = np.where(phases < duty, np.sin(np.pi * phases / duty), 0.0) * np.pi / (8 * duty)
        torque = -moves[:, 2, :] * (self._effort * self.config.support * share)[:, None]
        change: Array = torque.reshape(12) / (self._spec.gains.kp * self.config.torque_per_amp)
        return change


def walking_stance(legs: Legs, config: TrotConfig) -> Array:
    """Feet (4, 3) half-way through their stance, in the body frame [m]."""
    x = FRONT * legs.hip_x + config.shift
    y = SIDE * (legs.hip_y + legs.offset + config.widen)
    return np.stack([x, y, np.full(4, -config.height)], axis=-1)
