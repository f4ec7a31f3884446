"""Tables of ranges: read strictly, drawn within their ends, the same machine on both engines; and how it is seen."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.launch.commands import sim
from leash_robot.launch.options.tables import table
from leash_robot.robot.errors import SpecError, UsageError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.evaluation.samples import CommandRanges, axes, draw_sample
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics, SensorNoise
from leash_robot.sim.randomization.sampling import (
    AMOUNTS,
    FIXED,
    RANGES,
    Ranges,
    draw,
    draw_push,
    load_ranges,
    randomized,
)
from leash_robot.sim.randomization.twin_counterpart import SHARED, counterpart
from leash_robot.sim.rendering.portrait import portrait, triangles
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.model import build

SPEC = load_spec()
PRESETS = ("train", "inside", "outside", "hard")


def written(folder: Path, text: str) -> Path:
    file = folder / "table.yaml"
    file.write_text(text)
    return file


def test_what_a_table_does_not_name_is_not_randomized(tmp_path: Path) -> None:
    ranges = load_ranges(written(tmp_path, "mass: [0.7, 1.3]\ncom: 0.01\n"))
    assert randomized(ranges) == ("mass", "com")
    drawn = draw(ranges, np.random.default_rng(0))
    assert msgspec.structs.replace(drawn, mass=1.0, com_shift=(0.0, 0.0, 0.0)) == NOMINAL
    assert draw(FIXED, np.random.default_rng(0)) == NOMINAL and not randomized(FIXED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight: [1, 2]", "unknown field `weight`"),
        ("mass: [1.2, 0.8]", "mass: [1.2, 0.8] begins above its end"),
        ("push_speed: [0.8, 0.1]", "push_speed: [0.8, 0.1] begins above its end"),
        ("mass: [-1, 1]", "out of bounds; give a number >= 0.01"),
        ("bumps: [0, 0.5]", "bumps"),
        ("com: -0.01", "com: -0.01"),
        ("friction: .nan", "friction: .nan"),
        ("kp: [0.5, .nan]", "kp"),
        ("push_interval: 0", "push_interval"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match="table.yaml") as error:
        load_ranges(written(tmp_path, text))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_table_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="known are hard, inside, outside, train"):
        table("easy")


@pytest.mark.parametrize("name", PRESETS)
@given(seed=st.integers(0, 2**32 - 1))
def test_presets_draw_within_their_ends(name: str, seed: int) -> None:
    ranges = table(name)
    drawn = draw(ranges, np.random.default_rng(seed))
    for field in RANGES:
        low, high = getattr(ranges, field)
        value = {
            "noise": drawn.noise.gyro / SensorNoise().gyro,
            "push_speed": draw_push(ranges, np.random.default_rng(seed)),
        }
        assert low - 1e-9 <= value.get(field, getattr(drawn, field, low)) <= high + 1e-9
    assert np.abs(drawn.torque_offset).max() <= ranges.torque_offset
    assert drawn.torque_noise in (0.0, ranges.torque_noise)
    assert not (drawn.torque_noise and any(drawn.torque_offset)), "either kind of odd torque, never both"


def test_the_hard_table_is_the_inside_one_and_more() -> None:
    inside, hard = table("inside"), table("hard")
    for name in randomized(inside):
        assert getattr(hard, name) == getattr(inside, name)
    assert set(randomized(hard)) - set(randomized(inside)) == {
        "joint_friction", "rotor_inertia", "slope_deg", "bumps", "push_speed",
    }  # fmt: skip
    assert inside.mass == (0.7, 1.35) and inside.action_latency_ms == (0.0, 60.0) and hard.push_speed == (0.0, 0.8)


def test_half_of_the_draws_tremble_and_half_are_pulled() -> None:
    ranges = table("train")
    drawn = [draw(ranges, np.random.default_rng(seed)) for seed in range(200)]
    assert 70 <= sum(one.torque_noise > 0 for one in drawn) <= 130
    assert all((one.torque_noise > 0) != any(one.torque_offset) for one in drawn)


def test_both_engines_become_the_same_machine() -> None:
    drawn = draw(table("train"), np.random.default_rng(5))
    twins = counterpart(drawn)
    assert len(SHARED) >= 16 and all(getattr(twins, name) == getattr(drawn, name) for name in SHARED)
    assert build(twins).body_mass.sum() == pytest.approx(2.135 * drawn.mass + drawn.payload)
    with SimPupper(SPEC) as robot:
        robot.become(drawn, 0)
        body, client = robot.world.body, robot.world.client
        masses = [pybullet.getDynamicsInfo(body, link, client)[0] for link in range(-1, 12)]
    assert sum(masses) == pytest.approx(2.135 * drawn.mass + drawn.payload)


def test_a_biased_direction_of_gravity_is_an_imu_that_sits_askew() -> None:
    machine = Dynamics(gravity_bias=(0.03, -0.02, 0.0), noise=SensorNoise(0, 0, 0, 0))
    twin = Twin(counterpart(machine))
    roll, pitch, _ = twin.firmware.attitude.roll_pitch_yaw
    level = Twin(counterpart(Dynamics(noise=SensorNoise(0, 0, 0, 0))))
    before_roll, before_pitch, _ = level.firmware.attitude.roll_pitch_yaw
    assert np.sin(pitch) - np.sin(before_pitch) == pytest.approx(0.03, abs=2e-3)
    assert -np.sin(roll) + np.sin(before_roll) == pytest.approx(-0.02, abs=2e-3)


def test_inertia_in_the_twin_scales_on_top_of_mass() -> None:
    plain, heavy = build(TwinDynamics(mass=1.2)), build(TwinDynamics(mass=1.2, inertia=1.5))
    np.testing.assert_allclose(heavy.body_inertia, 1.5 * plain.body_inertia, rtol=1e-6)
    np.testing.assert_allclose(heavy.body_mass, plain.body_mass)


# Rough ground and odd torques in PyBullet


def stood(dynamics: Dynamics, seed: int = 0) -> GroundTruth:
    with SimPupper(SPEC) as robot:
        robot.become(dynamics, seed)
        for _ in range(20):
            robot.send(Action(SPEC.stand))
        return robot.truth()


def test_bumps_tilt_a_robot_that_stands_on_them_and_their_feet_touch() -> None:
    flat, rough = stood(NOMINAL), [stood(Dynamics(bumps=0.03), seed) for seed in range(3)]
    assert max(truth.tilt for truth in rough) > flat.tilt + 0.01
    assert all(0.16 < truth.height < 0.2 and truth.contacts.sum() >= 3 for truth in rough)
    assert len({truth.height for truth in rough}) == 3, "every seed starts elsewhere on the bumps"


def test_the_floor_is_flat_again_after_a_rough_draw() -> None:
    with SimPupper(SPEC) as robot:
        robot.become(Dynamics(bumps=0.02), 1)
        robot.become(NOMINAL, 1)
        assert robot.world.bumps == 0.0
        assert robot.truth().height == pytest.approx(stood(NOMINAL).height, abs=1e-3)
        assert robot.truth().contacts.tolist() == [1, 1, 1, 1]


def test_the_bumps_that_are_drawn_are_those_that_are_walked_on() -> None:
    with SimPupper(SPEC) as robot:
        robot.become(Dynamics(bumps=0.01), 4)
        world = robot.world
        assert world.terrain is not None
        x, y, heights = world.terrain.patch(1.0)
        for i, j in ((0, 0), (3, 11), (12, 5)):
            hit = pybullet.rayTest([x[i], y[j], 0.5], [x[i], y[j], -0.5], physicsClientId=world.client)[0]
            assert hit[3][2] == pytest.approx(heights[i, j], abs=1e-5)


def test_a_constant_torque_bends_a_joint_and_a_random_one_shakes_it() -> None:
    def knee(dynamics: Dynamics) -> list[float]:
        with SimPupper(SPEC) as robot:
            robot.become(dynamics, 0)
            angles = []
            for _ in range(20):
                robot.send(Action(SPEC.stand))
                angles.append(robot.world.sample().joints[2][0])
            return angles[5:]

    still = knee(NOMINAL)
    pulled = knee(Dynamics(torque_offset=(0.0, 0.0, 0.3, *(0.0,) * 9)))
    shaken = knee(Dynamics(torque_noise=1.0))
    assert np.mean(pulled) > np.mean(still) + 0.005
    assert np.std(shaken) > 5 * np.std(still) + 1e-5


def test_the_twin_feels_odd_torques_too() -> None:
    pulled, plain = Twin(TwinDynamics(torque_offset=(0.0, 0.5, *(0.0,) * 10))), Twin()
    shaken = Twin(TwinDynamics(torque_noise=1.0))
    assert pulled.body.data.qpos[8] > plain.body.data.qpos[8] + 0.005
    assert np.abs(shaken.body.data.qvel[6:]).max() > 10 * np.abs(plain.body.data.qvel[6:]).max()


def test_joints_that_move_do_work_and_the_meter_counts_it_only_when_asked() -> None:
    with SimPupper(SPEC) as robot:
        robot.send(Action(SPEC.stand + np.tile([0.0, 0.2, -0.3], 4)))
        assert robot.world.work == 0.0
        robot.world.metered = True
        robot.send(Action(SPEC.stand))
        assert 0.0 < robot.world.work < 20.0


def test_the_environment_pushes_as_its_table_says() -> None:
    calm, pushed = (
        PupperEnv(WalkConfig(ranges=msgspec.structs.replace(FIXED, push_speed=(speed,) * 2, push_interval=0.05)))
        for speed in (0.0, 0.6)
    )
    for env in (calm, pushed):
        env.reset(seed=0)
        for _ in range(4):
            env.step(np.zeros(12, np.float32))
    assert np.abs(calm.truth.velocity).max() < 0.1 < np.abs(pushed.truth.velocity).max()
    calm.close()
    pushed.close()


# Looking at draws


def test_draws_of_a_case_are_its_own_and_carry_every_axis() -> None:
    ranges = table("hard")
    first, again, other = (draw_sample(ranges, CommandRanges(), 3, number) for number in (0, 0, 1))
    assert first == again and first.dynamics != other.dynamics and first.command != other.command
    found = axes(first, ranges)
    assert found["push m/s"] == first.push_speed and found["com x mm"] == 1e3 * first.dynamics.com_shift[0]
    assert found["command vx m/s"] == first.command[0] and len(found) == 18
    assert set(axes(draw_sample(table("train"), CommandRanges(), 0, 0), table("train"))) > {
        "gyro bias rad/s rms", "torque noise Nm", "torque offset Nm rms", "noise x",
    }  # fmt: skip


def test_some_commands_ask_straight_ahead() -> None:
    commands = [draw_sample(FIXED, CommandRanges(), 0, number).command for number in range(200)]
    ahead = [vx for vx, vy, yaw in commands if vy == yaw == 0.0]
    assert 20 <= len(ahead) <= 65 and min(ahead) > 0.15
    assert draw_sample(FIXED, CommandRanges(vx=(0.4, 0.4), ahead=1.0), 0, 0).command == (0.4, 0.0, 0.0)
    assert all(-0.3 <= vx <= 0.5 and abs(vy) <= 0.15 and abs(yaw) <= 1.0 for vx, vy, yaw in commands)


def test_a_portrait_shows_load_slope_and_floor() -> None:
    with SimPupper(SPEC) as robot:
        plain = portrait(robot, 96, 72)
        seen = []
        for dynamics in (Dynamics(payload=0.25), Dynamics(slope_deg=8.0), Dynamics(friction=0.3), Dynamics(bumps=0.02)):
            robot.become(dynamics, 0)
            seen.append(portrait(robot, 96, 72))
    assert all(picture.shape == (72, 96, 3) for picture in seen)
    assert all((picture != plain).mean() > 0.02 for picture in seen)


def test_triangles_cover_the_surface_from_above() -> None:
    corners = triangles(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0]), np.zeros((3, 2)))
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert across[:, 2].sum() / 2 == pytest.approx(2.0) and (across[:, 2] > 0).all()


def test_sim_show_makes_a_sheet_and_says_what_was_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sim.main(["show", "hard", "--draws", "2", "--out", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(told["draws"]) == 2 and told["draws"] == json.loads((tmp_path / "draws.json").read_text())["draws"]
    assert (tmp_path / "draws.png").read_bytes().startswith(b"\x89PNG")
    ranges = table("hard")
    assert told["draws"][0] == pytest.approx(axes(draw_sample(ranges, CommandRanges(), 0, 0), ranges))


def test_sim_show_refuses_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="give another --out"):
        sim.main(["show", "inside", "--draws", "1", "--out", str(tmp_path / "file" / "below")])


def test_names_of_ranges_are_those_of_the_machine() -> None:
    known = set(Dynamics.__struct_fields__) | {"com", "noise", "push_speed", "push_interval", "without"}
    assert set(Ranges.__struct_fields__) <= known
    assert set(RANGES) | set(AMOUNTS) | {"push_interval", "without"} == set(Ranges.__struct_fields__)
