"""What acts on a robot that learns: chooses with the newest weights, and records every tick as it happens."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from leash_robot.policies.rl.algorithm import Actor, Float32
from leash_robot.policies.rl.drivers.transitions import Transition, TransitionRecorder, relabelled
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.clock import missed_slots
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import COMMAND, FeatureConfig, FeatureEncoder
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.locomotion.odometry import MotionEstimate, fallen
from leash_robot.robot.locomotion.velocity_reward import HEIGHT
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Policy, Tick

PRIVILEGED = 3
"""What the critics see besides: forward and sideward velocity, height."""


class StateEstimator(Protocol):
    """Estimates what the reward knows of the body's motion."""

    def reset(self) -> None:
        """The robot was moved, or time was left out."""
        ...

    def step(self, obs: Observation, target: Array | None = None) -> MotionEstimate:
        """The estimate at this observation; `target` (n,) [rad] is what the joints follow since the last one."""
        ...


class RewardFunction(Protocol):
    """The terms of a tick's reward, by name."""

    def __call__(
        self, obs: Observation, estimate: MotionEstimate, command: Array, actions: tuple[Array, Array], *, fell: bool
    ) -> dict[str, float]:
        """`actions` (n,) are the one that led here and the one before it."""
        ...


@dataclass(frozen=True, eq=False)
class RobotTask:
    """What is learned on a robot."""

    spec: Spec
    features: FeatureConfig
    action_filter: ActionFilter
    draw_command: Callable[[np.random.Generator], Array]
    """The next command (3,)."""
    hold: float
    """How long a command lasts; then a trajectory ends as by a time limit, and the robot walks on [s]."""
    reward: RewardFunction
    estimator: StateEstimator
    seed: int = 0


class ActionSource(Protocol):
    """Chooses what to do."""

    demonstrates: bool
    """Whether it is to be imitated."""
    wanted: Float32 | None
    """The action (n,) that it wanted at the last tick, where that is not what it did; may lie outside [-1, 1]."""

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """The target (n,) around the stand pose [rad], after the last one."""
        ...


@dataclass
class ExploringActor:
    """Fits `ActionSource`: the newest actor that was published, with exploration; random before there is one."""

    action_filter: ActionFilter
    actor: Actor
    channel: WeightChannel
    rng: np.random.Generator
    random: int
    """Steps that are random, whatever was published."""
    greedy: bool = False
    """Whether to leave the exploration out."""
    version: int = 0
    demonstrates: bool = False
    wanted: Float32 | None = None

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """The filtered action. Never waits for the learner."""
        if (found := self.channel.read(self.version)) is not None:
            self.version = found[0]
            self.actor.adopt(found[1])
        return self.action_filter.offset(self._action(features), last)

    def _action(self, features: Float32) -> Float32:
        self.random -= 1
        if self.version == 0 or self.random >= 0:
            return self.rng.uniform(-1, 1, len(self.action_filter.scale)).astype(np.float32)
        return self.actor.best(features) if self.greedy else self.actor.sample(features, self.rng)


@dataclass
class ExpertActor:
    """Fits `ActionSource`: an expert policy, disturbed so that it also shows how to recover."""

    action_filter: ActionFilter
    stand: Array
    policy: Policy
    rng: np.random.Generator
    noise: float = 0.05
    """Standard deviation, as a share of the action scale."""
    demonstrates: bool = True
    wanted: Float32 | None = None

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """What the policy wants, as far as the action scale allows."""
        self.wanted = self.action_filter.action(self.policy.act(obs).joint_pos - self.stand, last)
        noise = self.rng.normal(0, self.noise, len(last))
        return self.action_filter.offset((self.wanted.clip(-1, 1) + noise).clip(-1, 1), last)


class LearningActor:
    """Fits `Policy` and `Log`. Use it as both: what went out comes back through `add`."""

    def __init__(self, task: RobotTask, source: ActionSource, recorder: TransitionRecorder) -> None:
        self.source, self.estimator = source, task.estimator
        self._task, self._spec, self._recorder = task, task.spec, recorder
        self._encoder = FeatureEncoder(task.features, task.spec.stand)
        width = task.features.frames * task.features.frame_width(len(task.spec.joints))
        self._command_columns = slice(width, width + 3 * task.features.command)
        self._rng = np.random.default_rng([task.seed, 7])
        self._hold = round(task.hold * task.spec.rate)
        self.interventions = 0
        self.reward = 0.0
        """Of the last step."""
        self.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._recorder.begin()

    def begin(self) -> None:
        """The robot was set on its feet: nothing of before counts."""
        self._recorder.begin()
        self._encoder.reset()
        self.estimator.reset()
        self._actions = (np.zeros(len(self._spec.joints)),) * 2
        self._last: Array = np.zeros(len(self._spec.joints))
        self._age, self._human, self.fell = 0, False, False
        self._drawn = self.command = self._task.draw_command(self._rng)

    def reset(self) -> None:
        """Nothing: who had the robot before makes no difference to what its sensors measure."""

    @property
    def velocity(self) -> Array:
        """(3,) linear velocity as the reward knows it [m/s]."""
        return self.estimate.velocity

    def act(self, obs: Observation) -> Action:
        """The learner's target now."""
        self.estimate = self.estimator.step(obs, self._spec.stand + self._last)
        self.fell = fallen(obs, self.estimate)
        self._cut = self._age >= self._hold or missed_slots(obs.late, self._spec.period) > 0
        if self._age >= self._hold:
            self._age, self._drawn = 0, self._task.draw_command(self._rng)
        self._age += 1
        seen = replace(obs, command=self._drawn)
        self._features = self._encoder.step(seen)
        offset = self.source.offset(self._features, seen, self._last)
        return Action((self._spec.stand + offset).clip(self._spec.lower, self._spec.upper), self._drawn)

    def add(self, tick: Tick) -> None:
        """Complete the last step, and note what this one did. Raises PolicyError for a reward that is no number."""
        offset = tick.sent.joint_pos - self._spec.stand
        command = self.command  # of the step that is complete now; its reward is for that, whatever is commanded next
        transition = self._transition(tick, self._task.action_filter.action(offset, self._last))
        terms = self._task.reward(tick.obs, self.estimate, command, self._actions, fell=self.fell)
        self.reward = sum(terms.values())
        if not math.isfinite(self.reward):
            odd = ", ".join(f"{name} {value}" for name, value in terms.items() if not math.isfinite(value))
            raise PolicyError(f"the reward is not finite ({odd}); nothing was learned from it, --resume goes on")
        final = self._commanded(transition, command)
        self._recorder.add(transition, self.reward, fell=self.fell, cut=self._cut, final=final)
        self._encoder.sent(tick.sent.joint_pos)
        self._last, self._actions = offset, (transition.action.astype(np.float64), self._actions[0])

    def _transition(self, tick: Tick, action: Float32) -> Transition:
        human = tick.sent.source != "policy"
        self.interventions += human and not self._human
        self._human = human
        transition = Transition(
            self._features,
            privileged_of(self.estimate),
            action,
            self.interventions if human else 0,
            tick.sent.source == "human" or (not human and self.source.demonstrates),
            action if human or self.source.wanted is None else self.source.wanted,
        )
        if not (human and np.isfinite(tick.wanted.command).all()):
            self.command = self._drawn
            return transition
        self.command = np.array(tick.wanted.command)
        return self._commanded(transition, self.command)

    def _commanded(self, transition: Transition, command: Array) -> Transition:
        """The transition, had this been commanded."""
        if not self._task.features.command:
            return transition
        return relabelled(transition, (command * COMMAND).astype(np.float32), self._command_columns)


def privileged_of(estimate: MotionEstimate) -> Float32:
    """(PRIVILEGED,) each about one."""
    x, y, _ = estimate.velocity.tolist()
    return np.array([2.0 * x, 2.0 * y, 10.0 * (estimate.height - HEIGHT)], np.float32)
