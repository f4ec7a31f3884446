"""One Pupper on one floor in PyBullet: loading, posing, stepping under the motor model, and reading the truth."""

import math
import tempfile
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pybullet

from robot.spec import Gains
from robot.types import Array
from sim.actuator import law, torques
from sim.body import ASSET, urdf
from sim.dynamics import NOMINAL, Dynamics
from sim.truth import Truth

GRAVITY = 9.81
JOINTS = 12
FEET = (2, 5, 8, 11)
"""The links that end in a foot, in leg order."""
SLAB = (100.0, 100.0, 0.5)
"""Half-extents of the floor [m]."""
URDF_FLAGS = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_USE_SELF_COLLISION | pybullet.URDF_IGNORE_VISUAL_SHAPES
STANDING_HEIGHT = 0.1665
"""Height of the body frame in the spec's stand pose [m]."""


class Sample(NamedTuple):
    """What the sensors could see at one instant."""

    joints: tuple[tuple[float, float], ...]
    """(position [rad], velocity [rad/s], ...) of each joint."""
    rotation: Array
    """(3, 3) from the body frame to the world's."""
    angular_velocity: Array
    """(3,) in the world frame [rad/s]."""


class World:
    """A physics client of its own with a floor and a robot. Close it, or leave its `with`, to free the memory."""

    def __init__(self, gains: Gains, dynamics: Dynamics, step: float) -> None:
        self.step = step
        self.dynamics = dynamics
        self.time = 0.0
        self.client = pybullet.connect(pybullet.DIRECT)
        self._prepare()
        self.body = self._load(dynamics)
        self._set_links(self.body, dynamics)
        self.joints = list(range(JOINTS))
        self.law = law(gains, dynamics, step)
        self.limp = self.law._replace(kp=0.0)
        self._filtered = [0.0] * JOINTS
        self._com = np.array(pybullet.getDynamicsInfo(self.body, -1, self.client)[3])
        slope = math.radians(dynamics.slope_deg)
        # Note: a slope is a tilted gravity over a level floor, so that heights and feet need no second frame.
        self._down = np.array([-math.sin(slope), 0.0, -math.cos(slope)])
        pybullet.setGravity(*(GRAVITY * self._down), physicsClientId=self.client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the client."""
        if self.client >= 0:
            pybullet.disconnect(self.client)
            self.client = -1

    def _prepare(self) -> None:
        # Note: with a dozen shapes the simple broadphase, and a slab that only nearby shapes pair with, are fastest.
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, physicsClientId=self.client)
        # Note: the contact threshold is shared by the whole process; a value left behind by others costs contacts.
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=self.step, enableFileCaching=0, contactBreakingThreshold=0.02, physicsClientId=self.client
        )
        slab = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=SLAB, physicsClientId=self.client)
        self.floor = pybullet.createMultiBody(0, slab, basePosition=[0, 0, -SLAB[2]], physicsClientId=self.client)

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
        body: int = pybullet.loadURDF(str(path), [0, 0, STANDING_HEIGHT], flags=URDF_FLAGS, physicsClientId=self.client)
        # Note: every joint is born with a velocity motor that holds it; without this the motor model fights it.
        pybullet.setJointMotorControlArray(
            body, range(JOINTS), pybullet.VELOCITY_CONTROL, forces=[0.0] * JOINTS, physicsClientId=self.client
        )
        return body

    def _set_links(self, body: int, dynamics: Dynamics) -> None:
        # Note: the engine multiplies the two coefficients of a contact.
        pybullet.changeDynamics(self.floor, -1, lateralFriction=1.0, physicsClientId=self.client)
        for link in range(-1, JOINTS):
            pybullet.changeDynamics(
                body,
                link,
                lateralFriction=dynamics.friction,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                physicsClientId=self.client,
            )
        for link in range(JOINTS):
            self._add_rotor(body, link, dynamics.motor.reflected_inertia * dynamics.rotor_inertia)

    def _add_rotor(self, body: int, link: int, inertia: float) -> None:
        # Note: the engine has no rotor inertia, so it goes into the link, about the joint axis only. The URDF loader
        # would refuse that tensor (it breaks the triangle inequality) and set all of it to zero; this call takes it.
        diagonal = list(pybullet.getDynamicsInfo(body, link, self.client)[2])
        diagonal[0 if link % 3 == 0 else 1] += inertia
        pybullet.changeDynamics(body, link, localInertiaDiagonal=diagonal, physicsClientId=self.client)

    def place(self, joint_pos: Array, position: Array, yaw: float) -> None:
        """Put the robot there at rest: joints (12,) [rad], body frame (3,) [m], heading [rad]."""
        turn = pybullet.getQuaternionFromEuler([0.0, 0.0, yaw])
        centre = position + np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3) @ self._com
        pybullet.resetBasePositionAndOrientation(self.body, centre, turn, physicsClientId=self.client)
        pybullet.resetBaseVelocity(self.body, [0, 0, 0], [0, 0, 0], physicsClientId=self.client)
        for joint, angle in enumerate(joint_pos):
            pybullet.resetJointState(self.body, joint, float(angle), 0.0, physicsClientId=self.client)
        self._filtered = [0.0] * JOINTS

    def run(self, steps: int, targets: list[float], *, limp: bool = False) -> None:
        """Step the physics while the firmware holds these targets (12,) [rad], or only damps when `limp`."""
        body, client, joints, filtered = self.body, self.client, self.joints, self._filtered
        rule = self.limp if limp else self.law
        for _ in range(steps):
            states = pybullet.getJointStates(body, joints, client)
            torque, filtered = torques(states, targets, filtered, rule)
            pybullet.setJointMotorControlArray(
                body, joints, pybullet.TORQUE_CONTROL, forces=torque, physicsClientId=client
            )
            pybullet.stepSimulation(client)
        self._filtered = filtered
        self.time += steps * self.step

    def kick(self, velocity: Array) -> None:
        """Add a velocity (3,) to the body, in the world frame [m/s]."""
        linear, angular = pybullet.getBaseVelocity(self.body, self.client)
        pybullet.resetBaseVelocity(self.body, np.add(linear, velocity), angular, physicsClientId=self.client)

    def sample(self) -> Sample:
        """What the sensors could see now."""
        joints = pybullet.getJointStates(self.body, self.joints, self.client)
        _, turn = pybullet.getBasePositionAndOrientation(self.body, self.client)
        rotation = np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
        return Sample(joints, rotation, np.array(pybullet.getBaseVelocity(self.body, self.client)[1]))

    @property
    def down(self) -> Array:
        """(3,) unit vector of gravity in the world frame, whose z is normal to the floor."""
        return self._down

    def truth(self) -> Truth:
        """The true state now."""
        centre, turn = pybullet.getBasePositionAndOrientation(self.body, self.client)
        linear, angular = pybullet.getBaseVelocity(self.body, self.client)
        rotation = np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
        spin = rotation.T @ angular
        return Truth(
            time=self.time,
            position=centre - rotation @ self._com,
            velocity=rotation.T @ linear - np.cross(spin, self._com),
            angular_velocity=spin,
            gravity=rotation.T @ self._down,
            contacts=self.contacts(),
        )

    def contacts(self) -> Array:
        """(4,) 1 where a foot touches the floor."""
        touching = {point[3] for point in pybullet.getContactPoints(self.body, self.floor, physicsClientId=self.client)}
        return np.array([float(foot in touching) for foot in FEET])
