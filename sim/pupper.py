"""Pupper v2 in PyBullet, as a `Robot`."""

from collections import deque
from collections.abc import Mapping
from typing import Self

import numpy as np

from robot.clock import Grid, MonotonicClock, VirtualClock
from robot.errors import RobotError, SpecError
from robot.image import Image
from robot.limits import clamp
from robot.spec import Spec
from robot.types import Action, Array, Observation, unknown
from sim.dynamics import NOMINAL, Dynamics
from sim.truth import Truth
from sim.world import STANDING_HEIGHT, World

SETTLE = 0.3
"""How long the robot may come to rest in its stand pose before the first tick [s]."""


class SimPupper:
    """Fits `Robot`. `send` steps the physics through one tick, `observe` returns what the sensors saw at its end.

    Time is virtual unless `realtime`, where `observe` waits for the slot. A command takes effect `action_latency_ms`
    after it was sent, and what is observed is `telemetry_latency_ms` old, both rounded to the physics step.
    """

    def __init__(
        self,
        spec: Spec,
        dynamics: Dynamics = NOMINAL,
        *,
        seed: int = 0,
        camera: bool = False,
        physics_rate: int = 400,
        realtime: bool = False,
    ) -> None:
        self._spec = spec
        self._camera = camera
        self._steps = steps_per_tick(spec, physics_rate)
        self._step = 1.0 / physics_rate
        self._rng = np.random.default_rng(seed)
        self._clock: MonotonicClock | VirtualClock = MonotonicClock() if realtime else VirtualClock()
        self._grid = Grid(spec.period, self._clock)
        self._world: World | None = None
        self._use(dynamics)
        self._forget(spec.stand)

    def _use(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics
        """The robot and floor that are simulated."""
        self._delay = round(dynamics.action_latency_ms / 1000 / self._step)
        self._age = round(dynamics.telemetry_latency_ms / 1000 / self._step)
        if self._age >= self._steps:
            limit = 1000 * self._spec.period
            raise SpecError(f"telemetry_latency_ms = {dynamics.telemetry_latency_ms} is not below a tick, {limit} ms")
        self._offset = np.radians(dynamics.joint_zero_deg)
        noise = dynamics.noise
        self._sigma = np.repeat([noise.joint_pos, noise.joint_vel, noise.gravity, noise.gyro], [12, 12, 3, 3])
        self._bias = np.concatenate([self._offset, np.zeros(12), dynamics.gravity_bias, dynamics.gyro_bias])

    def _forget(self, sent: Array) -> None:
        self._sent: Array = sent.copy()
        self._targets: list[float] = (sent - self._offset).tolist()
        self._waiting: deque[tuple[int, list[float], bool]] = deque()
        self._limp = False
        self._due = False

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._spec

    @property
    def world(self) -> World:
        """The physics. Raises RobotError outside the `with`."""
        if self._world is None:
            raise RobotError("the simulated Pupper is not running; use it inside `with SimPupper(...) as robot:`")
        return self._world

    def __enter__(self) -> Self:
        self._world = World(self._spec.gains, self.dynamics, self._step)
        self.place()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._world is not None:
            self._world.close()
        self._world = None

    def reset(self) -> None:
        """Stand at the origin, at rest."""
        self.place()

    def randomize(self, dynamics: Dynamics) -> None:
        """Become another robot on another floor. Call `reset` after it."""
        self._use(dynamics)
        self.world.close()
        self._world = World(self._spec.gains, dynamics, self._step)

    def place(self, x: float = 0.0, y: float = 0.0, yaw: float = 0.0, joint_pos: Array | None = None) -> None:
        """Stand at (x, y) [m] with this heading [rad] in a pose (12,) [rad] (the stand pose by default), at rest."""
        pose = self._spec.stand if joint_pos is None else joint_pos
        self.world.place(pose - self._offset, np.array([x, y, STANDING_HEIGHT + 0.002]), yaw)
        self._forget(pose)
        self.world.run(round(SETTLE / self._step), self._targets)
        self.world.time = 0.0
        self._sample = self.world.sample()
        if isinstance(self._clock, VirtualClock):
            self._clock.advance(SETTLE)
        self._grid.restart()

    def observe(self) -> Observation:
        """Return what the sensors saw at the end of the last tick; the target is held if nothing was sent since."""
        if self._due:
            self._tick()
        self._due = True
        late = self._grid.wait()
        now = self._clock.now()
        age = self._age * self._step
        seen = self._measure()
        return Observation(
            time=now - age,
            late=late,
            joint_pos=seen[:12],
            joint_vel=seen[12:24],
            joint_effort=unknown(12),
            gravity=seen[24:27],
            gyro=seen[27:],
            command=unknown(3),
            images=self._frames(now),
            age=age,
        )

    def send(self, action: Action) -> Action:
        """Send a target and simulate one tick; return what went out after the limits. "safety" lets the joints damp."""
        limp = action.source == "safety"
        wanted = action.joint_pos if action.source in {"policy", "human"} else self._sent
        self._sent = clamp(wanted, self._sent, self._spec)
        self._waiting.append((self._delay, (self._sent - self._offset).tolist(), limp))
        self._tick()
        self._due = False
        return Action(self._sent.copy(), action.command, action.source, action.risk)

    def truth(self) -> Truth:
        """The true state now."""
        return self.world.truth()

    @property
    def fallen(self) -> bool:
        """Whether the body tilts more than 45 degrees or is below half its standing height."""
        return self.truth().fallen

    def _tick(self) -> None:
        world, done = self.world, 0
        sensed = self._steps - self._age
        for mark in sorted({sensed, self._steps, *(due for due, _, _ in self._waiting if due < self._steps)}):
            world.run(mark - done, self._targets, limp=self._limp)
            done = mark
            if mark == sensed:
                self._sample = world.sample()
            while self._waiting and self._waiting[0][0] <= done:
                _, self._targets, self._limp = self._waiting.popleft()
        self._waiting = deque((due - self._steps, targets, limp) for due, targets, limp in self._waiting)

    def _measure(self) -> Array:
        sample = self._sample
        clean = np.empty(30)
        for index, state in enumerate(sample.joints):
            clean[index], clean[12 + index] = state[0], state[1]
        clean[24:27] = sample.rotation.T @ self.world.down
        clean[27:] = sample.rotation.T @ sample.angular_velocity
        clean += self._bias
        clean += self._sigma * self._rng.standard_normal(30)
        return clean

    def _frames(self, now: float) -> Mapping[str, Image]:
        return {}


def steps_per_tick(spec: Spec, physics_rate: int) -> int:
    """How many physics steps make a tick. Raises SpecError unless it is a whole number."""
    steps = round(physics_rate / spec.rate)
    if steps < 1 or abs(steps * spec.rate - physics_rate) > 1e-6:
        raise SpecError(f"a physics rate of {physics_rate} Hz is no whole multiple of the tick rate, {spec.rate} Hz")
    return steps
