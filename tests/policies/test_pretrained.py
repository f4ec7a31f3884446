"""The policy that is shipped: it fits the robot, is small, and walks on an engine that it never saw."""

from dataclasses import replace

import numpy as np

from leash_robot.policies.manifest import check_fits
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.registry import load_policy
from leash_robot.policies.shipped import WALK
from leash_robot.robot.spec import load_spec
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep


def test_it_fits_and_is_small() -> None:
    manifest = read_manifest(WALK)
    check_fits(manifest, load_spec())
    assert manifest.kind == "sac"
    assert WALK.stat().st_size < 2**20


def test_it_follows_a_command_on_a_twin_that_is_heavy_late_and_slippery() -> None:
    spec, command = load_spec(), np.array([0.25, 0.0, 0.4])
    dynamics = TwinDynamics(
        mass=1.2, payload=0.1, friction=0.5, kp=0.85, action_latency_ms=25.0, telemetry_latency_ms=10.0
    )
    twin, policy = Twin(dynamics, seed=1), load_policy(WALK)[1]()
    done = []
    with lockstep(spec, twin, needs_imu=True) as robot:
        robot.reset()
        policy.reset()
        for _ in range(120):
            robot.send(policy.act(replace(robot.observe(), command=command)))
            truth = twin.truth()
            assert not truth.fallen
            done.append([*truth.velocity[:2], truth.angular_velocity[2]])
    off = np.abs(np.mean(done[40:], axis=0) - command)
    assert np.hypot(off[0], off[1]) < 0.1
    assert off[2] < 0.25
