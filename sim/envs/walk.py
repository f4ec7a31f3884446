"""Velocity tracking with Pupper as a Gymnasium environment: `gymnasium.make("leash/PupperWalk-v0")`."""

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import gymnasium
import msgspec
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import LARGEST, Encoder, FeatureConfig, FeatureEncoder, Float32
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.locomotion.velocity_reward import pursuit
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Action, Array, Observation, Policy
from leash_robot.sim.envs import privileged
from leash_robot.sim.envs import rewards as reward
from leash_robot.sim.envs.commands import Curriculum
from leash_robot.sim.envs.rewards import Motion
from leash_robot.sim.envs.walk_config import Pushes, WalkConfig
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import NOMINAL
from leash_robot.sim.randomization.sampling import draw, draw_push
from leash_robot.sim.rendering.studio import Studio

Info = dict[str, Any]


class PupperEnv(gymnasium.Env[Float32, Float32]):
    """An action (12,) in [-1, 1] is a target in the box around the stand pose; a step is one tick.

    Falling terminates, the end of time truncates. `info` holds "command" (3,), "privileged" (SIZE,) for a critic, and
    after a step the "terms" of the reward.
    """

    truth: GroundTruth
    """The true state at the end of the last step."""
    seen: Observation
    """What the robot saw then, with the command; the observation is made of it."""
    curriculum: Curriculum
    """Draws the commands."""
    _made: EnvSpec | None = None
    sent: Array
    """(12,) the joint target of the last step, after filter and limits [rad]."""

    def __init__(
        self,
        config: WalkConfig | Mapping[str, object] | None = None,
        *,
        spec: Spec | None = None,
        encoder: Encoder | None = None,
        base: Policy | None = None,
        ramp: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """`base` says what the action scale lies around at each tick; None is the stand pose. `ramp` are the
        steps of a training over which penalties for style grow to their size; 0 has them whole from the start.
        A `config` may be a mapping, as in `env.spec`; raises ValidationError for unknown keys or values out of range.
        """
        self.config = msgspec.convert(config or {}, WalkConfig)
        self._weights = self.config.weights
        self._base, self._ramp = base, ramp
        self.render_mode = render_mode
        self._studio: Studio | None = None
        self.body = spec or load_spec()  # Note: `spec` is Gymnasium's own attribute.
        seen = FeatureConfig(actions=True, clock=0.0, frames=self.config.frames)
        self._encoder: Encoder = encoder or FeatureEncoder(seen, self.body.stand)
        self.robot = SimPupper(self.body, physics_rate=self.config.physics_rate)
        self.robot.__enter__()
        self.observation_space = Box(-LARGEST, LARGEST, (self._encoder.size,), np.float32)
        self.action_space = Box(-1.0, 1.0, (12,), np.float32)
        self.action_filter = ActionFilter.with_cutoff(
            np.tile(self.config.box, 4), self.config.filter_hz, self.body.rate
        )
        self._pace_alpha = 1.0 - math.exp(-self.body.period / reward.PACE)
        self._limit = round(self.config.seconds * self.body.rate)
        self._hold = round(self.config.commands.hold * self.body.rate)
        self.curriculum = Curriculum(self.config.commands)

    @property
    def spec(self) -> EnvSpec | None:
        """How `gymnasium.make` made this; the config is kept as a mapping, so that `to_json` can write it."""
        return self._made

    @spec.setter
    def spec(self, made: EnvSpec | None) -> None:
        self._made = copy(made)
        if self._made is not None and isinstance(self._made.kwargs.get("config"), WalkConfig):
            self._made.kwargs = self._made.kwargs | {"config": msgspec.to_builtins(self.config)}

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Float32, Info]:
        """Begin an episode on a fresh draw; `options={"command": (vx, vy, yaw rate)}` fixes the command."""
        super().reset(seed=seed)
        ranges = self.config.ranges
        dynamics = NOMINAL if ranges is None else draw(ranges, self.np_random)
        speed = 0.0 if ranges is None else draw_push(ranges, self.np_random)
        self._pushes = Pushes(ranges.push_interval, speed) if ranges and speed else self.config.pushes
        self.robot.become(dynamics, int(self.np_random.integers(2**31)))
        self._machine = privileged.machine(dynamics, self._pushes.speed if self._pushes else 0.0)
        self._asked = None if not options or "command" not in options else np.asarray(options["command"], np.float64)
        self._begin()
        return self._look()

    def _begin(self) -> None:
        self._tick = 0
        self._encoder.reset()
        if self._base is not None:
            self._base.reset()
        self._command = self._next_command()
        self._actions = (np.zeros(12),) * 3
        self._offset: Array = np.zeros(12)
        self._air = np.zeros(4)
        self.truth = self.robot.truth()
        self._pace: Array = np.zeros(3)

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, Info]:
        """Act for one tick. Raises PolicyError for an action that is no number."""
        if not np.isfinite(action).all():
            raise PolicyError(f"the action is not finite: {np.asarray(action).tolist()}")
        self._act(np.asarray(action, np.float64).clip(-1.0, 1.0))
        self._push()
        before = self.truth.contacts
        self.truth = self.robot.truth()
        terms = self._judge(before)
        self._tick += 1
        if self._tick % self._hold == 0:
            self._command = self._next_command()
        features, info = self._look()
        info["terms"] = terms
        return features, sum(terms.values()), self.truth.fallen, self._tick >= self._limit, info

    def centre(self) -> Array:
        """(12,) the joint target in the middle of the action box now [rad]. Call it once a tick."""
        return self.body.stand if self._base is None else self._base.act(self.seen).joint_pos

    def follow(self, target: Array) -> tuple[bool, bool]:
        """Act for one tick on a joint target (12,) [rad] that somebody else filtered; whether it fell, or time is up.

        For judging a deployed policy in the same world: no reward, and `seen` is what it sees next.
        """
        self.sent = self.robot.send(Action(target, self._command)).joint_pos
        self._encoder.sent(self.sent)
        self._push()
        self.truth = self.robot.truth()
        self._tick += 1
        self._look()
        return self.truth.fallen, self._tick >= self._limit

    def training_progress(self, steps: int) -> None:
        """Scale the penalties for style by the part of the ramp that these steps are: a gait first, polish later."""
        part = 1.0 if self._ramp == 0 else min(1.0, steps / self._ramp)
        self._weights = reward.softened(self.config.weights, part)

    @property
    def curriculum_state(self) -> Array:
        """What the command curriculum remembers over the episodes."""
        return self.curriculum.memory

    @curriculum_state.setter
    def curriculum_state(self, state: Array) -> None:
        self.curriculum.memory = state

    def command(self, command: Array) -> None:
        """Ask for this velocity (3,) from now on."""
        self._asked = self._command = command
        self.seen = replace(self.seen, command=command)

    def _act(self, action: Array) -> None:
        self._actions = (action, *self._actions[:2])
        self._offset = self.action_filter.offset(action, self._offset)
        sent = self.robot.send(Action(self.centre() + self._offset, self._command))
        self.sent = sent.joint_pos
        self._encoder.sent(self.sent)

    def _push(self) -> None:
        pushes = self._pushes
        if pushes is not None and self.np_random.random() < self.body.period / pushes.interval:
            x, y = self.np_random.uniform(-pushes.speed, pushes.speed, 2)
            self.robot.world.kick(np.array([x, y, 0.0]))

    def _judge(self, before: Array) -> dict[str, float]:
        contacts, turning = self.truth.contacts, self.truth.angular_velocity[2]
        self._pace = self._pace + self._pace_alpha * ([*self.truth.velocity[:2], turning] - self._pace)
        landed = contacts * (1.0 - before)
        motion = Motion(
            self.truth, self._command, self.robot.world.torque, self._actions, self._air, landed, self._pace
        )
        if self._asked is None and self.config.commands.again:
            self.curriculum.went(pursuit(self._pace.tolist(), self._command.tolist()))
        terms = reward.terms(motion, self._weights)
        self._air = (self._air + self.body.period) * (1.0 - contacts)
        return terms

    def _look(self) -> tuple[Float32, Info]:
        self.seen = replace(self.robot.observe(), command=self._command)
        state = np.concatenate([privileged.motion(self.truth, self._pace), self._machine])
        return self._encoder.step(self.seen), {"command": self._command.copy(), "privileged": state}

    def _next_command(self) -> Array:
        return self.curriculum.draw(self.np_random) if self._asked is None else self._asked

    def render(self) -> Pixels:
        """A picture (h, w, 3) RGB of the robot from outside."""
        self._studio = self._studio or Studio()
        position, rotation = self.robot.world.pose()
        return self._studio.draw(position, rotation, [joint[0] for joint in self.robot.world.sample().joints])

    def close(self) -> None:
        """Free the physics and the renderer."""
        if self._studio is not None:
            self._studio.close()
        self._studio = None
        self.robot.__exit__(None, None, None)


PupperEnv.metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
