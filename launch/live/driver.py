"""The learner's hand on the robot: acts with the newest weights, and remembers every tick as it happens."""

import math
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from leash_robot.launch.live.memory import Memory, Moment, relabelled
from leash_robot.launch.live.plan import LivePlan
from leash_robot.launch.live.sense import Sense, fallen
from leash_robot.policies.rl.sac.numpy_actor import Float32, NumpyActor
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.action_filter import ActionFilter
from leash_robot.robot.clock import missed_slots
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.feature_encoding import COMMAND, FeatureEncoder
from leash_robot.robot.odometry import Estimate
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, Policy, Tick
from leash_robot.robot.velocity_reward import HEIGHT, measured_terms

PRIVILEGED = 3
"""What the critics see besides: forward and sideward velocity, height."""


class Mind(Protocol):
    """Chooses what to do."""

    demonstrates: bool
    """Whether it is to be imitated."""
    wanted: Float32 | None
    """The action (n,) that it wanted at the last tick, where that is not what it did; may lie outside [-1, 1]."""

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """The target (n,) around the stand pose [rad], after the last one."""
        ...


def action_filter_of(plan: LivePlan, spec: Spec) -> ActionFilter:
    """The filter on joint targets."""
    return ActionFilter.with_cutoff(np.tile(plan.box, len(spec.joints) // 3), plan.filter_hz, spec.rate)


@dataclass
class Explorer:
    """Fits `Mind`: the newest actor that was published, with exploration; random before there is one."""

    action_filter: ActionFilter
    actor: NumpyActor
    mailbox: WeightChannel
    rng: np.random.Generator
    random: int
    """Steps that are random, whatever was published."""
    best: bool = False
    """Whether to leave the exploration out."""
    version: int = 0
    demonstrates: bool = False
    wanted: Float32 | None = None

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """The filtered action. Never waits for the learner."""
        if (found := self.mailbox.read(self.version)) is not None:
            self.version = found[0]
            self.actor.adopt(found[1])
        return self.action_filter.offset(self._action(features), last)

    def _action(self, features: Float32) -> Float32:
        self.random -= 1
        if self.version == 0 or self.random >= 0:
            return self.rng.uniform(-1, 1, len(self.action_filter.scale)).astype(np.float32)
        return self.actor.best(features) if self.best else self.actor.sample(features, self.rng)


@dataclass
class Teacher:
    """Fits `Mind`: a policy that walks already, disturbed so that it also shows how to recover."""

    action_filter: ActionFilter
    stand: Array
    policy: Policy
    rng: np.random.Generator
    noise: float = 0.05
    """Deviation, as a share of the box."""
    demonstrates: bool = True
    wanted: Float32 | None = None

    def offset(self, features: Float32, obs: Observation, last: Array) -> Array:
        """What the policy wants, as far as the box allows."""
        self.wanted = self.action_filter.action(self.policy.act(obs).joint_pos - self.stand, last)
        noise = self.rng.normal(0, self.noise, len(last))
        return self.action_filter.offset((self.wanted.clip(-1, 1) + noise).clip(-1, 1), last)


class Apprentice:
    """Fits `Policy` and `Log`. Use it as both: what went out comes back through `add`."""

    def __init__(self, plan: LivePlan, spec: Spec, mind: Mind, memory: Memory, sense: Sense, seed: int = 0) -> None:
        self.mind, self.sense = mind, sense
        self._plan, self._spec, self._memory = plan, spec, memory
        self._action_filter = action_filter_of(plan, spec)
        self._features = FeatureEncoder(plan.features, spec.stand)
        width = plan.features.frames * plan.features.frame_width(len(spec.joints))
        self._asked = slice(width, width + 3 * plan.features.command)
        self._rng = np.random.default_rng([seed, 7])
        self._hold = round(plan.task.hold * spec.rate)
        self.bursts = 0
        self.reward = 0.0
        """Of the last step."""
        self.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._memory.forget()

    def begin(self) -> None:
        """The robot was set on its feet: nothing of before counts."""
        self._memory.forget()
        self._features.reset()
        self.sense.reset()
        self._actions = (np.zeros(len(self._spec.joints)),) * 2
        self._last: Array = np.zeros(len(self._spec.joints))
        self._age, self._human, self.fell = 0, False, False
        self._task = self.command = self._draw()

    def reset(self) -> None:
        """Nothing: who had the robot before makes no difference to what its sensors say."""

    def act(self, obs: Observation) -> Action:
        """The learner's target now."""
        self.estimate = self.sense.step(obs)
        self.fell = fallen(obs, self.estimate)
        self._cut = self._age >= self._hold or missed_slots(obs.late, self._spec.period) > 0
        if self._age >= self._hold:
            self._age, self._task = 0, self._draw()
        self._age += 1
        seen = replace(obs, command=self._task)
        self._seen = self._features.step(seen)
        offset = self.mind.offset(self._seen, seen, self._last)
        return Action((self._spec.stand + offset).clip(self._spec.lower, self._spec.upper), self._task)

    def add(self, tick: Tick) -> None:
        """Complete the last step, and note what this one did. Raises PolicyError for a reward that is no number."""
        offset = tick.sent.joint_pos - self._spec.stand
        asked = self.command  # of the step that is complete now: what it is judged by, whatever is asked from here on
        moment = self._moment(tick, self._action_filter.action(offset, self._last))
        said = measured_terms(tick.obs, self.estimate, asked, self._actions, self._plan.worth, fell=self.fell)
        self.reward = sum(said.values())
        if not math.isfinite(self.reward):
            odd = ", ".join(f"{name} {value}" for name, value in said.items() if not math.isfinite(value))
            raise PolicyError(f"the reward is not finite ({odd}); nothing was learned from it, --resume goes on")
        self._memory.follow(moment, self.reward, fell=self.fell, cut=self._cut, seen=self._asking(moment, asked))
        self._features.sent(tick.sent.joint_pos)
        self._last, self._actions = offset, (moment.action.astype(np.float64), self._actions[0])

    def _moment(self, tick: Tick, action: Float32) -> Moment:
        human = tick.sent.source != "policy"
        self.bursts += human and not self._human
        self._human = human
        moment = Moment(
            self._seen,
            seen_by_critics(self.estimate),
            action,
            self.bursts if human else 0,
            tick.sent.source == "human" or (not human and self.mind.demonstrates),
            action if human or self.mind.wanted is None else self.mind.wanted,
        )
        if not (human and np.isfinite(tick.wanted.command).all()):
            self.command = self._task
            return moment
        self.command = np.array(tick.wanted.command)
        return self._asking(moment, self.command)

    def _asking(self, moment: Moment, command: Array) -> Moment:
        """The moment, had this been asked for."""
        if not self._plan.features.command:
            return moment
        return relabelled(moment, (command * COMMAND).astype(np.float32), self._asked)

    def _draw(self) -> Array:
        task = self._plan.task
        return np.array([self._rng.uniform(*bounds) for bounds in (task.vx, task.vy, task.yaw)])


def seen_by_critics(estimate: Estimate) -> Float32:
    """(PRIVILEGED,) each about one."""
    x, y, _ = estimate.velocity.tolist()
    return np.array([2.0 * x, 2.0 * y, 10.0 * (estimate.height - HEIGHT)], np.float32)
