"""`leash bench env`: control steps a second of the full environment on one core, beside a1.urdf stepped the same way.

Both worlds use the same engine settings, floor, physics rate and motor code, and take turns, so that whatever else
the machine does slows both. The a1 only steps its physics; our environment also randomizes, senses, pushes and judges,
and with the table that policies train on, it walks on bumps under random torques, too.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pybullet_data

from leash_robot.launch.options.tables import table
from leash_robot.sim.actuator import Law, torques
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import Pushes, WalkConfig
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.world import SLAB, URDF_FLAGS
from leash_robot.sim.randomization.sampling import Ranges

BLOCK = 50
"""Control steps that one world takes before the next has its turn."""
SUBSTEPS = 20
"""Physics steps in a control step: 400 Hz under 20 Hz."""
A1_STAND = [0.0, 0.9, -1.8] * 4
A1_LAW = Law(60.0, 2.0, 33.5, 1.0, 0.0, 0.0, 0.0, 1000.0, 1.0, 0.6, 0.0)
"""The a1's usual gains and torque limit in N m, through the same code as our motors."""


class Stepped(Protocol):
    """Something that can take control steps."""

    def step(self) -> None:
        """One control step."""
        ...

    def close(self) -> None:
        """Free the physics."""
        ...


class A1:
    """Unitree's a1 from pybullet_data, standing and swaying."""

    def __init__(self, flags: int) -> None:
        self.client: int = pybullet.connect(pybullet.DIRECT)
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, physicsClientId=self.client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1 / 400, contactBreakingThreshold=0.02, physicsClientId=self.client
        )
        slab = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=SLAB, physicsClientId=self.client)
        pybullet.createMultiBody(0, slab, basePosition=[0, 0, -SLAB[2]], physicsClientId=self.client)
        pybullet.setGravity(0, 0, -9.81, physicsClientId=self.client)
        file = str(Path(pybullet_data.getDataPath()) / "a1" / "a1.urdf")
        self.body = pybullet.loadURDF(file, [0, 0, 0.3], flags=flags, physicsClientId=self.client)
        count = pybullet.getNumJoints(self.body, self.client)
        kinds = [pybullet.getJointInfo(self.body, joint, self.client)[2] for joint in range(count)]
        self.joints = [joint for joint, kind in enumerate(kinds) if kind == pybullet.JOINT_REVOLUTE]
        pybullet.setJointMotorControlArray(
            self.body, self.joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * 12, physicsClientId=self.client
        )
        for joint, angle in zip(self.joints, A1_STAND, strict=True):
            pybullet.resetJointState(self.body, joint, angle, physicsClientId=self.client)
        self.filtered = [0.0] * 12
        self.rng = np.random.default_rng(0)

    def step(self) -> None:
        """One control step."""
        targets = (np.array(A1_STAND) + self.rng.uniform(-0.1, 0.1, 12)).tolist()
        for _ in range(SUBSTEPS):
            states = pybullet.getJointStates(self.body, self.joints, self.client)
            torque, self.filtered = torques(states, targets, self.filtered, A1_LAW)
            pybullet.setJointMotorControlArray(
                self.body, self.joints, pybullet.TORQUE_CONTROL, forces=torque, physicsClientId=self.client
            )
            pybullet.stepSimulation(self.client)

    def close(self) -> None:
        """Free the client."""
        pybullet.disconnect(self.client)


class WalkStepping:
    """Our environment under random actions."""

    def __init__(self, config: WalkConfig) -> None:
        self.env = PupperEnv(config)
        self.rng = np.random.default_rng(0)
        self.env.reset(seed=0)

    def step(self) -> None:
        """One control step; a new draw when the episode ends."""
        action = self.rng.uniform(-0.5, 0.5, 12).astype(np.float32)
        _, _, terminated, truncated, _ = self.env.step(action)
        if terminated or truncated:
            self.env.reset()

    def close(self) -> None:
        """Free the physics."""
        self.env.close()


def measure(seconds: float) -> dict[str, float]:
    """Median control steps a second over interleaved blocks, for about so long."""
    worlds: dict[str, Stepped] = {
        "steps_per_s": WalkStepping(WalkConfig(ranges=Ranges(), pushes=Pushes())),
        "train_steps_per_s": WalkStepping(WalkConfig(ranges=table("train"))),
        "a1_steps_per_s": A1(URDF_FLAGS),
        "a1_no_self_collision_steps_per_s": A1(URDF_FLAGS & ~pybullet.URDF_USE_SELF_COLLISION),
    }
    rates = _interleave({name: world.step for name, world in worlds.items()}, seconds)
    for world in worlds.values():
        world.close()
    return {
        **rates,
        "ratio": rates["steps_per_s"] / rates["a1_steps_per_s"],
        "ratio_no_self_collision": rates["steps_per_s"] / rates["a1_no_self_collision_steps_per_s"],
    }


def _interleave(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    end = time.monotonic() + seconds
    rates: dict[str, list[float]] = {name: [] for name in steps}
    while time.monotonic() < end or not all(rates.values()):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(BLOCK):
                step()
            rates[name].append(BLOCK / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in rates.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    for name, value in measure(parser.parse_args().seconds).items():
        print(f"{name:36}{value:10.2f}")
