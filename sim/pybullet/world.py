"""One Pupper on one floor in PyBullet: loading, posing, stepping under the motor model, and reading the truth."""

import math
import tempfile
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.robot.spec import Gains
from leash_robot.robot.types import Array
from leash_robot.sim.actuator import LINKED, law, torques
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.terrain import FLATTEST, Terrain
from leash_robot.sim.pybullet.urdf import ASSET, KNEE_TO_FOOT, Build, urdf
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.sensors import SensorSample

GRAVITY = 9.81
JOINTS = 12
FEET = (2, 5, 8, 11)
"""The links that end in a foot, in leg order."""
FOOT = (0.0, *KNEE_TO_FOOT)
"""From the knee to a left foot, in the shank's frame [m]."""
TOP_SPEED = 99.0
"""The engine cuts joint speeds off at 100 rad/s, about twice what the motors reach [rad/s]."""
SLAB = (100.0, 100.0, 0.5)
"""Half-extents of the floor [m]."""
URDF_FLAGS = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_USE_SELF_COLLISION | pybullet.URDF_IGNORE_VISUAL_SHAPES


class World:
    """A physics client of its own with a floor and a robot. Close it, or leave its `with`, to free the memory."""

    def __init__(self, gains: Gains, dynamics: Dynamics, step: float) -> None:
        """Build the world; `step` is the length of a physics step [s]."""
        self.step = step
        self.time = 0.0
        """Simulated time since the last `place` [s]."""
        self.torque = [0.0] * JOINTS
        """What the motors exerted in the last step [N m]."""
        self.metered = False
        """Whether `work` is kept; it costs a fiftieth of the speed."""
        self.work = 0.0
        """Mechanical work of the joints since the last `place`, either way [J]."""
        self._gains = gains
        self._joints = list(range(JOINTS))
        self.client: int = pybullet.connect(pybullet.DIRECT)
        """The physics client's number, for calls of PyBullet's own; negative once closed."""
        self.use(dynamics)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the physics client; twice does no harm."""
        if self.client >= 0:
            pybullet.disconnect(self.client)
        self.client = -1

    def use(self, dynamics: Dynamics, seed: int = 0) -> None:
        """Become this robot on this floor, whose bumps and odd torques the seed draws. Call `place` after it."""
        self._dynamics, self._seed = dynamics, seed
        self._rng = np.random.default_rng([seed, 1])
        self._nudge = np.array(dynamics.torque_offset)
        self._nudged = dynamics.torque_noise > 0.0 or bool(self._nudge.any())
        self._shake = dynamics.torque_noise
        self.law = law(self._gains, dynamics, self.step)
        """The motors' constants."""
        self._limp = self.law._replace(kp=0.0)
        self.bumps = dynamics.bumps if dynamics.bumps >= FLATTEST else 0.0
        """Height of the bumps that the robot stands on [m]."""
        slope = math.radians(dynamics.slope_deg)
        # Note: a slope is a tilted gravity over a level floor, so that heights and feet need no second frame.
        self.down: Array = np.array([-math.sin(slope), 0.0, -math.cos(slope)])
        """(3,) direction of gravity in the world frame, whose z is normal to the floor."""
        self.rebuild()

    def rebuild(self) -> None:
        """Build robot and floor from nothing, as they were drawn. Call `place` after it.

        Note: the engine keeps contacts, the order of its bodies and pairs, and 13 kB for each robot that was removed;
        with any of it the past leaks into what comes next. Only an empty simulation has none.
        """
        # Note: with a dozen shapes the simple broadphase, and a slab that only nearby shapes pair with, are fastest.
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, physicsClientId=self.client)
        # Note: the contact threshold is shared by the whole process; a value left behind by others costs contacts.
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=self.step, enableFileCaching=0, contactBreakingThreshold=0.02, physicsClientId=self.client
        )
        pybullet.setGravity(*(GRAVITY * self.down), physicsClientId=self.client)
        rough = self.bumps > 0.0
        self.terrain = Terrain(self.client, self.bumps, np.random.default_rng([self._seed, 0])) if rough else None
        """The bumps, where there are any."""
        self.floor = self.terrain.body if self.terrain else self._lay_slab()
        """The floor's number in the client."""
        self.body = self._load(self._dynamics)
        """The robot's number in the client."""
        self._set_links(self._dynamics)

    def _lay_slab(self) -> int:
        slab = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=SLAB, physicsClientId=self.client)
        body: int = pybullet.createMultiBody(0, slab, basePosition=[0, 0, -SLAB[2]], physicsClientId=self.client)
        return body

    def _load(self, dynamics: Dynamics) -> int:
        build = Build(dynamics.mass, dynamics.inertia, dynamics.com_shift, dynamics.payload)
        if build == Build():
            return self._load_file(ASSET)
        with tempfile.NamedTemporaryFile("w", suffix=".urdf") as file:
            file.write(urdf(build))
            file.flush()
            return self._load_file(Path(file.name))

    def _load_file(self, path: Path) -> int:
        body: int = pybullet.loadURDF(str(path), [0, 0, 1], flags=URDF_FLAGS, physicsClientId=self.client)
        # Note: every joint is born with a velocity motor that holds it; without this it fights the motor model.
        pybullet.setJointMotorControlArray(
            body, self._joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * JOINTS, physicsClientId=self.client
        )
        return body

    def _set_links(self, dynamics: Dynamics) -> None:
        info = [pybullet.getDynamicsInfo(self.body, link, self.client) for link in range(-1, JOINTS)]
        self._com: Array = np.array(info[0][3])
        self._lever: Array = np.cross(np.eye(3), self._com)
        # Note: the engine multiplies the two coefficients of a contact.
        pybullet.changeDynamics(self.floor, -1, lateralFriction=1.0, physicsClientId=self.client)
        for link in range(-1, JOINTS):
            pybullet.changeDynamics(
                self.body,
                link,
                lateralFriction=dynamics.friction,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                physicsClientId=self.client,
            )
        for link in range(JOINTS):
            self._add_rotor(
                link, list(info[link + 1][2]), LINKED * dynamics.motor.reflected_inertia * dynamics.rotor_inertia
            )

    def _add_rotor(self, link: int, diagonal: list[float], rotor: float) -> None:
        # Note: the engine has no rotor inertia, so some goes into the link, about the joint axis only. The URDF loader
        # would refuse that tensor (it breaks the triangle inequality) and set all of it to zero; this call takes it.
        diagonal[0 if link % 3 == 0 else 1] += rotor
        pybullet.changeDynamics(self.body, link, localInertiaDiagonal=diagonal, physicsClientId=self.client)

    def place(self, joint_pos: Array, position: Array, yaw: float) -> None:
        """Put the robot there at rest: joints (12,) [rad], body frame (3,) [m], heading [rad]."""
        # Note: a step high in the air forgets the contacts and their forces.
        self._teleport(joint_pos, position + np.array([0.0, 0.0, 10.0]), yaw)
        pybullet.stepSimulation(self.client)
        self._teleport(joint_pos, position, yaw)
        self._filtered = [0.0] * JOINTS
        self.torque = [0.0] * JOINTS
        self.time = self.work = 0.0

    def _teleport(self, joint_pos: Array, position: Array, yaw: float) -> None:
        turn = pybullet.getQuaternionFromEuler([0.0, 0.0, yaw])
        centre = position + _matrix(turn) @ self._com
        pybullet.resetBasePositionAndOrientation(self.body, centre, turn, physicsClientId=self.client)
        pybullet.resetBaseVelocity(self.body, [0, 0, 0], [0, 0, 0], physicsClientId=self.client)
        for joint, angle in enumerate(joint_pos.tolist()):
            pybullet.resetJointState(self.body, joint, angle, 0.0, physicsClientId=self.client)

    def run(self, steps: int, targets: list[float], *, limp: bool = False) -> None:
        """Step the physics while the firmware holds these targets (12,) [rad], or only damps when `limp`."""
        body, client, joints, filtered = self.body, self.client, self._joints, self._filtered
        read, push, step = pybullet.getJointStates, pybullet.setJointMotorControlArray, pybullet.stepSimulation
        mode, rule = pybullet.TORQUE_CONTROL, self._limp if limp else self.law
        torque = self.torque
        nudges = self._nudges(steps) if self._nudged else []
        if self.terrain:
            self.terrain.follow(*pybullet.getBasePositionAndOrientation(body, client)[0][:2])
        for count in range(steps):
            states = read(body, joints, client)
            torque, filtered = torques(states, targets, filtered, rule)
            felt = [t + n for t, n in zip(torque, nudges[count], strict=True)] if nudges else torque
            push(body, joints, mode, forces=felt, physicsClientId=client)
            step(client)
            if self.metered:
                self.work += self.step * sum(abs(t * state[1]) for t, state in zip(torque, states, strict=True))
        self.torque, self._filtered = torque, filtered
        self.time += steps * self.step

    def _nudges(self, steps: int) -> list[list[float]]:
        """(steps, 12) torques from nowhere [N m]."""
        drawn: Array = self._nudge + self._rng.uniform(-self._shake, self._shake, (steps, JOINTS))
        rows: list[list[float]] = drawn.tolist()
        return rows

    @property
    def diverged(self) -> bool:
        """Whether a joint is as fast as the engine lets it be, or no number."""
        return not all(
            abs(state[1]) < TOP_SPEED for state in pybullet.getJointStates(self.body, self._joints, self.client)
        )

    def kick(self, velocity: Array) -> None:
        """Add a velocity (3,) to the body, in the world frame [m/s]."""
        linear, angular = pybullet.getBaseVelocity(self.body, self.client)
        pybullet.resetBaseVelocity(self.body, np.add(linear, velocity), angular, physicsClientId=self.client)

    def pose(self) -> tuple[Array, Array]:
        """Position (3,) of the body frame [m] and its rotation (3, 3) to the world."""
        centre, turn = pybullet.getBasePositionAndOrientation(self.body, self.client)
        rotation = _matrix(turn)
        return centre - rotation @ self._com, rotation

    def sample(self) -> SensorSample:
        """What the sensors are exposed to now."""
        joints = pybullet.getJointStates(self.body, self._joints, self.client)
        turn = pybullet.getBasePositionAndOrientation(self.body, self.client)[1]
        return SensorSample(joints, _matrix(turn), np.array(pybullet.getBaseVelocity(self.body, self.client)[1]))

    def truth(self) -> GroundTruth:
        """The true state now."""
        position, rotation = self.pose()
        linear, angular = pybullet.getBaseVelocity(self.body, self.client)
        spin = angular @ rotation
        return GroundTruth(
            time=self.time,
            position=position,
            velocity=linear @ rotation + self._lever @ spin,
            angular_velocity=spin,
            gravity=self.down @ rotation,
            contacts=self.contacts(),
        )

    def feet(self) -> Array:
        """(4, 3) foot centres in the world frame [m]."""
        states = pybullet.getLinkStates(self.body, FEET, 0, 1, self.client)
        arms = [np.array(FOOT) * [1.0, side, 1.0] for side in (-1.0, 1.0, -1.0, 1.0)]
        return np.array([np.array(s[4]) + _matrix(s[5]) @ arm for s, arm in zip(states, arms, strict=True)])

    def touching_itself(self) -> bool:
        """Whether one of the robot's links touches another."""
        return bool(pybullet.getContactPoints(self.body, self.body, physicsClientId=self.client))

    def contacts(self) -> Array:
        """(4,) 1 where a foot touches the floor."""
        points = pybullet.getContactPoints(self.body, self.floor, physicsClientId=self.client)
        touching = {point[3] for point in points}
        return np.array([1.0 if foot in touching else 0.0 for foot in FEET])


def _matrix(turn: tuple[float, float, float, float]) -> Array:
    """(3, 3) of a quaternion x, y, z, w."""
    return np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
