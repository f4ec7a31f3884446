"""A reset with a seed gives the same episode to the last bit, whatever happened before it."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leash_robot.launch.options.tables import table
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, FeatureEncoder
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation
from leash_robot.sim.envs.line_track import TrackCamera, draw_track, place_at_start
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import Pushes, WalkConfig
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import Ranges, draw
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep
from support.walks import Kept

SPEC = load_spec()
HISTORIES = 20
ROUGH = Dynamics(bumps=0.01, torque_noise=0.1, slope_deg=3.0, payload=0.1)
CONFIGS = {
    "nominal": WalkConfig(),
    "randomized": WalkConfig(ranges=Ranges(), pushes=Pushes(interval=0.5)),
    "rough": WalkConfig(ranges=table("train")),
}
ENVIRONMENTS = [*CONFIGS, "features", "residual"]


def environment(name: str) -> PupperEnv:
    if name == "residual":
        return PupperEnv(CONFIGS["rough"], base=Trot(SPEC))
    if name == "features":
        features = FeatureConfig(actions=True, clock=0.3, frames=3)
        return PupperEnv(CONFIGS["rough"], encoder=FeatureEncoder(features, SPEC.stand))
    return PupperEnv(CONFIGS[name])


def episode(env: PupperEnv) -> Array:
    """Everything that an episode of eight steps shows."""
    obs, info = env.reset(seed=5)
    seen = [obs, info["privileged"]]
    for step in range(8):
        obs, reward, _, _, info = env.step(np.full(12, 0.5 * (-1) ** step, np.float32))
        seen += [obs, info["privileged"], np.array([reward]), env.sent, env.truth.position, env.seen.joint_vel]
    return np.concatenate(seen)


def live(env: PupperEnv, rng: np.random.Generator) -> None:
    """Some episodes of random length under random actions."""
    for _ in range(rng.integers(0, 4)):
        env.reset(seed=int(rng.integers(1000)))
        for _ in range(rng.integers(0, 12)):
            env.step(rng.uniform(-1, 1, 12).astype(np.float32))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_episode_of_the_environment_is_the_same_after_any_history(name: str) -> None:
    with contextlib.closing(environment(name)) as env:
        first = episode(env)
        for history in range(HISTORIES):
            live(env, np.random.default_rng(history))
            assert np.array_equal(first, episode(env)), f"after history {history}"
    with contextlib.closing(environment(name)) as fresh:
        assert np.array_equal(first, episode(fresh))


def observed(obs: Observation) -> Array:
    pictures = [image.rgb.ravel() for image in obs.images.values()]
    return np.concatenate([[obs.time, obs.age], obs.joint_pos, obs.joint_vel, obs.gravity, obs.gyro, *pictures])


def walk(robot: SimPupper, ticks: int = 6) -> Array:
    trot, seen = Trot(SPEC), []
    for _ in range(ticks):
        obs = robot.observe()
        seen.append(observed(obs))
        robot.send(trot.act(replace(obs, command=np.array([0.3, 0.0, 0.2]))))
    return np.concatenate([*seen, robot.truth().position])


def wander(robot: SimPupper, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(0, 3)):
        robot.become(draw(table("train"), rng), int(rng.integers(100)))
        for _ in range(rng.integers(0, 10)):
            robot.observe()
            robot.send(Action(rng.uniform(SPEC.lower, SPEC.upper)))


@pytest.mark.parametrize("camera", [False, True])
@pytest.mark.parametrize("dynamics", [Dynamics(), ROUGH])
def test_a_simulated_robot_begins_the_same_life_after_any_other(dynamics: Dynamics, *, camera: bool) -> None:
    def life(robot: SimPupper) -> Array:
        robot.become(dynamics, 7)
        return walk(robot)

    with SimPupper(SPEC, camera=camera) as robot:
        first = life(robot)
        for history in range(HISTORIES if not camera else 5):
            wander(robot, np.random.default_rng(history))
            assert np.array_equal(first, life(robot)), f"after history {history}"


def test_a_reset_without_a_seed_puts_the_body_down_the_same_way() -> None:
    with SimPupper(SPEC, Dynamics(bumps=0.01, slope_deg=3.0)) as robot:
        robot.reset()
        first = robot.truth().position
        for history in range(5):
            rng = np.random.default_rng(history)
            for _ in range(rng.integers(1, 10)):
                robot.observe()
                robot.send(Action(rng.uniform(SPEC.lower, SPEC.upper)))
            robot.reset()
            assert np.array_equal(first, robot.truth().position)


def test_a_track_is_driven_the_same_way_whatever_was_driven_before() -> None:
    eye = TrackCamera()
    with SimPupper(SPEC, camera={"head": eye}) as robot:

        def drive(seed: int) -> Array:
            place_at_start(robot, eye, draw_track(seed))
            return walk(robot, 4)

        first = drive(3)
        for other in (11, 12):
            drive(other)
            assert np.array_equal(first, drive(3))


@pytest.mark.parametrize("dynamics", [TwinDynamics(), TwinDynamics(bumps=0.01, torque_noise=0.1)])
def test_a_twin_in_virtual_time_is_the_same_whatever_other_twins_did(dynamics: TwinDynamics) -> None:
    def life() -> Array:
        twin, kept = Twin(dynamics, seed=3), Kept()
        with lockstep(SPEC, twin, needs_imu=True) as robot:
            robot.reset()
            run(robot, Trot(SPEC), kept, ticks=10)
        return np.concatenate([*[observed(tick.obs) for tick in kept.ticks], twin.body.data.qpos])

    first = life()
    for history in range(3):
        Twin(TwinDynamics(mass=1.1, bumps=0.004), seed=history).advance(37 * history + 11)
        assert np.array_equal(first, life())


def resident_mb() -> float:
    """Memory of this process [MB]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own account of memory")
def test_memory_is_small_and_flat_over_a_thousand_resets_on_rough_floors() -> None:
    begin = resident_mb()
    with contextlib.closing(PupperEnv(CONFIGS["rough"])) as env:
        for seed in range(100):
            env.reset(seed=seed)
        early = resident_mb()
        for seed in range(100, 1000):
            env.reset(seed=seed)
        assert early - begin < 60.0
        assert resident_mb() - early < 5.0


def test_the_bumps_go_on_under_a_robot_that_walks_away() -> None:
    with SimPupper(SPEC, Dynamics(bumps=0.02)) as robot:
        robot.become(Dynamics(bumps=0.02), 3)
        for x, y in ((9.3, -7.1), (-30.0, 0.4)):
            robot.place(x, y)
            truth = robot.truth()
            assert truth.contacts.sum() >= 3 and 0.14 < truth.height < 0.2
