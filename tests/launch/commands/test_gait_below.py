"""What walks below a policy that steers by a camera: a trot, or the file of a policy that follows commands."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from leash_robot.launch.cli import run
from leash_robot.launch.commands.serve import offer
from leash_robot.launch.composition.policies import check_below, gait_needs_imu, needs_imu, steers
from leash_robot.launch.composition.robots import RobotOptions
from leash_robot.policies.hierarchical import Steered
from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.policies.manifest import describe
from leash_robot.policies.networks.cnn import shapes as picture_shapes
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.registry import load_gait, load_policy
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import LeashError, PolicyError
from leash_robot.robot.types import Observation
from support.policy_files import SPEC, N, random, walker

SIGHT = PixelsConfig(height=32, width=40, members=2, channels=(2, 2, 2, 2), hidden=8, body=False)
SIM = RobotOptions("sim", camera=("on",))


@pytest.fixture
def gait(tmp_path: Path) -> str:
    return walker(tmp_path / "walk.safetensors")


@pytest.fixture
def tracker(tmp_path: Path) -> str:
    """The file of a policy that steers by a camera, untrained."""
    manifest = msgspec.structs.replace(describe("pixels", SPEC), pixels=SIGHT, body=SPEC, cameras=("head",))
    save_policy(tmp_path / "track.safetensors", manifest, random(picture_shapes(SIGHT)))
    return str(tmp_path / "track.safetensors")


def seen(time: float) -> Observation:
    still, level = np.zeros(N), np.array([0.0, 0.0, -1.0])
    image = {"head": Image(time, rgb=np.full((32, 40, 3), 90, np.uint8))}
    return Observation(time, 0.0, SPEC.stand, still, still, level, np.zeros(3), np.zeros(3), image)


def test_the_file_walks_where_the_camera_says(tracker: str, gait: str) -> None:
    manifest, make = load_policy(Path(tracker), gait)
    assert manifest.needs_imu, "the gait below has needs, too"
    assert not load_policy(Path(tracker))[0].needs_imu
    above, (_, walk) = make(), load_gait(gait, SPEC)
    assert isinstance(above, Steered)
    below = walk()
    above.reset()
    below.reset()
    for tick in range(4):
        obs = seen(0.05 * tick)
        action = above.act(obs)
        alone = below.act(replace(obs, command=action.command))
        assert action.joint_pos == pytest.approx(alone.joint_pos)
        assert np.isfinite(action.command).all()


def test_a_server_offers_both_levels(tracker: str, gait: str) -> None:
    assert offer(tracker, "pupper_v2", gait).manifest.needs_imu
    assert (needs_imu(tracker, SIM, gait=gait), needs_imu(tracker, SIM)) == (True, False)
    assert gait_needs_imu("trot", SIM) is False
    assert (steers(tracker), steers(gait), steers("trot"), steers("tcp://127.0.0.1:1")) == (True, False, False, False)


def test_a_policy_without_its_camera_is_refused_before_a_robot_is_opened(tracker: str) -> None:
    for options in (RobotOptions("sim"), RobotOptions("twin", camera=("tail=synthetic",)), RobotOptions("pupper")):
        with pytest.raises(PolicyError, match=r"sees by the camera head; give --camera on, or --camera head=SOURCE$"):
            needs_imu(tracker, options)
    needs_imu(tracker, RobotOptions("pupper", camera=("head=/dev/video0",)))


@pytest.mark.parametrize("robot", ["sim", "twin"])
@pytest.mark.parametrize("command", ["deploy {}", "intervene {} data --operator scripted", "eval {}"])
def test_every_command_says_in_one_line_that_a_camera_is_missing(
    tracker: str, tmp_path: Path, command: str, robot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *rest = command.format(tracker).split()
    with pytest.raises(LeashError, match="sees by the camera head") as refused:
        run([name, *rest, "--robot", robot])
    assert "\n" not in str(refused.value)


def test_a_gait_that_cannot_be_one_is_refused_in_a_line(tracker: str, gait: str, tmp_path: Path) -> None:
    deaf = walker(tmp_path / "deaf.safetensors", FeatureConfig(command=False, clock=0.0))
    foreign = walker(tmp_path / "foreign.safetensors", spec_hash="0123456789abcdef")
    for name, says in ((deaf, "ignores commands"), (foreign, "cannot drive"), (tracker, "steers by a camera itself")):
        with pytest.raises(PolicyError, match=says) as refused:
            load_gait(name, SPEC)
        assert "\n" not in str(refused.value)
        with pytest.raises(PolicyError, match=says):
            gait_needs_imu(name, SIM)


def test_a_gait_where_nothing_is_below_is_refused(gait: str) -> None:
    for name, says in ((gait, "moves the joints itself"), ("trot", "itself"), ("tcp://127.0.0.1:1", "leash serve")):
        with pytest.raises(PolicyError, match=says):
            check_below(name, gait)
    with pytest.raises(PolicyError, match="leave out --gait"):
        load_policy(Path(gait), gait)
