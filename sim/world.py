"""One Pupper on one floor in PyBullet: loading, posing, stepping under the motor model, and reading the truth."""

import math
import tempfile
from pathlib import Path
from typing import Self

import numpy as np

from robot.spec import Gains
from robot.types import Array
from sim.actuator import law, torques
from sim.body import ASSET, urdf
from sim.bullet import pybullet
from sim.dynamics import NOMINAL, Dynamics
from sim.sensors import Sample
from sim.truth import Truth

GRAVITY = 9.81
JOINTS = 12
FEET = (2, 5, 8, 11)
"""The links that end in a foot, in leg order."""
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
        self._gains = gains
        self._joints = list(range(JOINTS))
        self._client: int = pybullet.connect(pybullet.DIRECT)
        self._lay_floor()
        self._body = -1
        self.use(dynamics)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the physics client; twice does no harm."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
        self._client = -1

    def use(self, dynamics: Dynamics) -> None:
        """Become this robot on this floor. Call `place` after it."""
        if self._body >= 0:
            pybullet.removeBody(self._body, physicsClientId=self._client)
        self._body = self._load(dynamics)
        self._set_links(dynamics)
        self._law = law(self._gains, dynamics, self.step)
        self._limp = self._law._replace(kp=0.0)
        centre = pybullet.getDynamicsInfo(self._body, -1, self._client)[3]
        self._com: Array = np.array(centre)
        self._lever: Array = np.cross(np.eye(3), self._com)
        slope = math.radians(dynamics.slope_deg)
        # Note: a slope is a tilted gravity over a level floor, so that heights and feet need no second frame.
        self.down: Array = np.array([-math.sin(slope), 0.0, -math.cos(slope)])
        """(3,) direction of gravity in the world frame, whose z is normal to the floor."""
        pybullet.setGravity(*(GRAVITY * self.down), physicsClientId=self._client)

    def _lay_floor(self) -> None:
        # Note: with a dozen shapes the simple broadphase, and a slab that only nearby shapes pair with, are fastest.
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, physicsClientId=self._client)
        # Note: the contact threshold is shared by the whole process; a value left behind by others costs contacts.
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=self.step, enableFileCaching=0, contactBreakingThreshold=0.02, physicsClientId=self._client
        )
        slab = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=SLAB, physicsClientId=self._client)
        self._floor = pybullet.createMultiBody(0, slab, basePosition=[0, 0, -SLAB[2]], physicsClientId=self._client)

    def _load(self, dynamics: Dynamics) -> int:
        changes = (dynamics.mass, dynamics.inertia, dynamics.com_shift, dynamics.payload)
        if changes == (NOMINAL.mass, NOMINAL.inertia, NOMINAL.com_shift, NOMINAL.payload):
            return self._load_file(ASSET)
        mass, inertia, com_shift, payload = changes
        with tempfile.NamedTemporaryFile("w", suffix=".urdf") as file:
            file.write(urdf(mass=mass, inertia=inertia, com_shift=com_shift, payload=payload))
            file.flush()
            return self._load_file(Path(file.name))

    def _load_file(self, path: Path) -> int:
        body: int = pybullet.loadURDF(str(path), [0, 0, 1], flags=URDF_FLAGS, physicsClientId=self._client)
        # Note: every joint is born with a velocity motor that holds it; without this it fights the motor model.
        pybullet.setJointMotorControlArray(
            body, self._joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * JOINTS, physicsClientId=self._client
        )
        return body

    def _set_links(self, dynamics: Dynamics) -> None:
        # Note: the engine multiplies the two coefficients of a contact.
        pybullet.changeDynamics(self._floor, -1, lateralFriction=1.0, physicsClientId=self._client)
        for link in range(-1, JOINTS):
            pybullet.changeDynamics(
                self._body,
                link,
                lateralFriction=dynamics.friction,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                physicsClientId=self._client,
            )
        for link in range(JOINTS):
            self._add_rotor(link, dynamics.motor.reflected_inertia * dynamics.rotor_inertia)

    def _add_rotor(self, link: int, inertia: float) -> None:
        # Note: the engine has no rotor inertia, so it goes into the link, about the joint axis only. The URDF loader
        # would refuse that tensor (it breaks the triangle inequality) and set all of it to zero; this call takes it.
        diagonal = list(pybullet.getDynamicsInfo(self._body, link, self._client)[2])
        diagonal[0 if link % 3 == 0 else 1] += inertia
        pybullet.changeDynamics(self._body, link, localInertiaDiagonal=diagonal, physicsClientId=self._client)

    def place(self, joint_pos: Array, position: Array, yaw: float) -> None:
        """Put the robot there at rest: joints (12,) [rad], body frame (3,) [m], heading [rad]."""
        # Note: a step high in the air forgets the contacts and their forces; else the past leaks into the next run.
        self._teleport(joint_pos, position + np.array([0.0, 0.0, 10.0]), yaw)
        pybullet.stepSimulation(self._client)
        self._teleport(joint_pos, position, yaw)
        self._filtered = [0.0] * JOINTS
        self.time = 0.0

    def _teleport(self, joint_pos: Array, position: Array, yaw: float) -> None:
        turn = pybullet.getQuaternionFromEuler([0.0, 0.0, yaw])
        centre = position + _matrix(turn) @ self._com
        pybullet.resetBasePositionAndOrientation(self._body, centre, turn, physicsClientId=self._client)
        pybullet.resetBaseVelocity(self._body, [0, 0, 0], [0, 0, 0], physicsClientId=self._client)
        for joint, angle in enumerate(joint_pos.tolist()):
            pybullet.resetJointState(self._body, joint, angle, 0.0, physicsClientId=self._client)

    def run(self, steps: int, targets: list[float], *, limp: bool = False) -> None:
        """Step the physics while the firmware holds these targets (12,) [rad], or only damps when `limp`."""
        body, client, joints, filtered = self._body, self._client, self._joints, self._filtered
        read, push, step = pybullet.getJointStates, pybullet.setJointMotorControlArray, pybullet.stepSimulation
        mode, rule = pybullet.TORQUE_CONTROL, self._limp if limp else self._law
        torque = self.torque
        for _ in range(steps):
            torque, filtered = torques(read(body, joints, client), targets, filtered, rule)
            push(body, joints, mode, forces=torque, physicsClientId=client)
            step(client)
        self.torque, self._filtered = torque, filtered
        self.time += steps * self.step

    def kick(self, velocity: Array) -> None:
        """Add a velocity (3,) to the body, in the world frame [m/s]."""
        linear, angular = pybullet.getBaseVelocity(self._body, self._client)
        pybullet.resetBaseVelocity(self._body, np.add(linear, velocity), angular, physicsClientId=self._client)

    def pose(self) -> tuple[Array, Array]:
        """Position (3,) of the body frame [m] and its rotation (3, 3) to the world."""
        centre, turn = pybullet.getBasePositionAndOrientation(self._body, self._client)
        rotation = _matrix(turn)
        return centre - rotation @ self._com, rotation

    def sample(self) -> Sample:
        """What the sensors are exposed to now."""
        joints = pybullet.getJointStates(self._body, self._joints, self._client)
        turn = pybullet.getBasePositionAndOrientation(self._body, self._client)[1]
        return Sample(joints, _matrix(turn), np.array(pybullet.getBaseVelocity(self._body, self._client)[1]))

    def truth(self) -> Truth:
        """The true state now."""
        position, rotation = self.pose()
        linear, angular = pybullet.getBaseVelocity(self._body, self._client)
        spin = angular @ rotation
        return Truth(
            time=self.time,
            position=position,
            velocity=linear @ rotation + self._lever @ spin,
            angular_velocity=spin,
            gravity=self.down @ rotation,
            contacts=self.contacts(),
        )

    def contacts(self) -> Array:
        """(4,) 1 where a foot touches the floor."""
        points = pybullet.getContactPoints(self._body, self._floor, physicsClientId=self._client)
        touching = {point[3] for point in points}
        return np.array([1.0 if foot in touching else 0.0 for foot in FEET])


def _matrix(turn: tuple[float, float, float, float]) -> Array:
    """(3, 3) of a quaternion x, y, z, w."""
    return np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
