"""Pupper v2 in PyBullet, as a `Robot`."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.bodies.registry import Simulated
from leash_robot.robot.clock import Grid, MonotonicClock, VirtualClock
from leash_robot.robot.errors import RobotError, SpecError
from leash_robot.robot.limits import admitted, timely
from leash_robot.robot.posture import lying_down
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation, unknown
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.pybullet.world import TOP_SPEED, World
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics, load_dynamics
from leash_robot.sim.rendering.shutter import CameraRenderer, Shutter
from leash_robot.sim.sensors import Sensors
from leash_robot.sim.unstable_dynamics import impossible

UNKNOWN: Array = unknown(12)
UNKNOWN.flags.writeable = False
SETTLE = 0.3
"""How long the robot may come to rest after it was placed [s]."""
DROP = 0.002
"""How far above the floor the robot is placed [m]."""
WILD_TICKS = 3
"""So many ticks in a row with a joint faster than any motor are no accident."""
BELLY = 0.055
"""How far the body reaches below its frame's origin [m]."""


class _Command(NamedTuple):
    due: int
    """Physics steps until the motors follow it."""
    targets: list[float]
    limp: bool


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
        camera: bool | Mapping[str, CameraRenderer] = False,
        physics_rate: int = 400,
        realtime: bool = False,
    ) -> None:
        """`camera` turns the spec's cameras on; a mapping also says what draws the view of some of them."""
        self._spec = spec
        self._shutter = Shutter(spec.cameras if camera else {}, camera if isinstance(camera, Mapping) else None)
        self._steps = steps_per_tick(spec, physics_rate)
        self._step = 1.0 / physics_rate
        self._rng = np.random.default_rng(seed)
        self._clock: MonotonicClock | VirtualClock = MonotonicClock() if realtime else VirtualClock()
        self._grid = Grid(spec.period, self._clock)
        self._world: World | None = None
        self._adopt(dynamics)

    def _adopt(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics
        """The robot and floor that are simulated."""
        self._delay = round(dynamics.action_latency_ms / 1000 / self._step)
        self._age = round(dynamics.telemetry_latency_ms / 1000 / self._step)
        if self._age >= self._steps:
            limit = 1000 * self._spec.period
            raise SpecError(f"telemetry_latency_ms = {dynamics.telemetry_latency_ms} is not below a tick, {limit} ms")
        self._zeros = np.radians(dynamics.joint_zero_deg)
        self._sensors = Sensors(dynamics, self._rng)

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
        self.world.rebuild()
        self.place()

    def rest(self) -> None:
        """Stop the motion and lie down."""
        for target in lying_down(self._sent.copy(), self._spec):
            self.observe()
            self.send(Action(target))

    def become(self, dynamics: Dynamics, seed: int) -> None:
        """Become another robot on another floor, with noise from this seed, and stand at the origin.

        What follows depends on these two alone, to the last bit: virtual time begins anew, since clocks that have run
        for different times round differently.
        """
        self._rng = np.random.default_rng(seed)
        self._adopt(dynamics)
        if isinstance(self._clock, VirtualClock):
            self._clock.restart()
        self.world.use(dynamics, seed)
        self.place()

    def place(self, x: float = 0.0, y: float = 0.0, yaw: float = 0.0, joint_pos: Array | None = None) -> None:
        """Stand at (x, y) [m] with this heading [rad] in a pose (12,) [rad] (the stand pose by default), at rest."""
        pose = self._spec.stand if joint_pos is None else joint_pos
        self._sent: Array = pose.copy()
        self._command = _Command(0, (pose - self._zeros).tolist(), limp=False)
        self._waiting: deque[_Command] = deque()
        self._held = False
        self.world.place(pose - self._zeros, np.array([x, y, self._height(pose) + self.world.bumps + DROP]), yaw)
        self.world.run(round(SETTLE / self._step), self._command.targets)
        self._wild = 0
        self._check()
        self.world.time = self.world.work = 0.0
        self._sample = self.world.sample()
        if isinstance(self._clock, VirtualClock):
            self._clock.advance(SETTLE)
        self._shutter.restart(self.world.pose, self._clock.now())
        self._grid.restart()

    def _height(self, pose: Array) -> float:
        """Of the body frame when it is carried by its feet or lies on its belly [m]."""
        legs = self._spec.legs
        return BELLY if legs is None else max(BELLY, legs.foot_radius - float(forward(pose, legs)[:, 2].min()))

    def observe(self) -> Observation:
        """Return what the sensors saw at the end of the last tick; the target is held if nothing was sent since."""
        if self._held:
            self._tick()
        self._held = True
        late = self._grid.wait()
        now = self._clock.now()
        age = self._age * self._step
        seen = self._sensors.read(self._sample, self.world.down)
        return Observation(
            time=now - age,
            late=late,
            joint_pos=seen.joint_pos,
            joint_vel=seen.joint_vel,
            joint_effort=UNKNOWN[:12],
            gravity=seen.gravity,
            gyro=seen.gyro,
            command=UNKNOWN[:3],
            images=self._shutter.frames,
            age=age,
        )

    def send(self, action: Action) -> Action:
        """Send a target and simulate one tick; return what went out after the limits. "safety" lets the joints damp."""
        action = timely(action, self._clock.now())
        sent = admitted(action, self._sent, self._spec)
        self._sent = sent.joint_pos
        limp = action.source == "safety"
        self._waiting.append(_Command(self._delay, (self._sent - self._zeros).tolist(), limp))
        self._tick()
        self._held = False
        return sent

    def truth(self) -> GroundTruth:
        """The true state now."""
        return self.world.truth()

    @property
    def fallen(self) -> bool:
        """Whether the body tilts more than 45 degrees or is below half its standing height."""
        return self.truth().fallen

    def _tick(self) -> None:
        """Run one tick of physics, stopping where a command takes effect, the sensors are read or a shutter opens."""
        world, done = self.world, 0
        sensed = self._steps - self._age
        marks = self._shutter.marks(world.time, self._steps, self._step)
        marks |= {sensed, self._steps} | {min(command.due, self._steps) for command in self._waiting}
        for mark in sorted(marks):
            world.run(mark - done, self._command.targets, limp=self._command.limp)
            done = mark
            if mark == sensed:
                self._sample = world.sample()
            self._shutter.expose(mark, world.pose)
            while self._waiting and self._waiting[0].due <= done:
                self._command = self._waiting.popleft()
        self._waiting = deque(command._replace(due=command.due - done) for command in self._waiting)
        self._check()

    def _check(self) -> None:
        """Raise RobotError when the joints race for several ticks, which no motor can do."""
        self._wild = self._wild + 1 if self.world.diverged else 0
        if self._wild >= WILD_TICKS:
            raise impossible(self.dynamics, f"the joints race at over {TOP_SPEED:g} rad/s")


def steps_per_tick(spec: Spec, physics_rate: int) -> int:
    """How many physics steps make a tick. Raises SpecError unless it is a whole number."""
    steps = round(physics_rate / spec.rate)
    if steps < 1 or abs(steps * spec.rate - physics_rate) > 1e-6:
        raise SpecError(f"a physics rate of {physics_rate} Hz is no whole multiple of the tick rate, {spec.rate} Hz")
    return steps


def open_sim(how: Simulated) -> SimPupper:
    """Pupper as the registry of bodies opens it. Raises SpecError for dynamics that cannot be read."""
    dynamics = load_dynamics(how.dynamics) if how.dynamics else Dynamics()
    return SimPupper(how.spec, dynamics, seed=how.seed, camera=how.camera, realtime=how.realtime)
