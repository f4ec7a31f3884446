"""A body of another distribution: three joints on a polled bus and no body velocity; the commands are the same."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leash_robot.launch.commands import collect, deploy, intervene
from leash_robot.launch.commands.train import command as train
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.policies.policy_file import read_manifest
from leash_robot.robot.bodies import registry
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.errors import UsageError
from support.desk_arm.distribution import installed
from support.desk_arm.firmware import DeskArmFirmware
from support.firmware import wait_for

ARM = ("--body", "desk_arm")
BLIND = ("--features.no-gravity", "--features.no-gyro", "--features.frames", "1", "--features.clock", "0")


@pytest.fixture(scope="module", autouse=True)
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(tmp_path_factory.mktemp("site")):
        yield


def ran(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], *args: str, code: int = 0
) -> dict[str, Any]:
    assert main([*args, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of a scripted operator in the simulator."""
    folder = tmp_path_factory.mktemp("arm") / "data"
    args = [str(folder), "--robot", "sim", *ARM, "--operator", "scripted", "--episodes", "8", "--seconds", "8"]
    assert collect.main(args) == 0
    return folder


@pytest.fixture(scope="module")
def clone(recorded: Path) -> Path:
    out = recorded.parent / "clone.safetensors"
    options = ["--steps", "1500", "--network.members", "2", "--network.hidden", "64"]
    assert train.main(["bc", str(recorded), "--out", str(out), *BLIND, *options]) == 0
    return out


def test_it_is_found_by_its_entry_point() -> None:
    assert registry.names() == ["desk_arm", "pupper"]
    assert registry.find("desk_arm").load_spec().names == ("base", "shoulder", "elbow")


def test_a_scripted_operator_demonstrates_what_its_spec_commands(recorded: Path) -> None:
    episodes = [read_episode(path) for path in sorted(recorded.glob("*.mcap"))]
    assert [episode.outcome for episode in episodes] == ["success"] * 8
    for episode in episodes:
        assert episode.spec.name == "desk_arm"
        assert episode.joint_pos.shape[1] == 3 and episode.wanted.command.shape[1] == 2
        assert np.nanmax(np.abs(episode.wanted.command)) > 0.1
        assert np.isnan(episode.command).all()


def test_its_clone_drives_the_twin_through_the_gate(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_manifest(clone)
    assert (manifest.spec, manifest.command_size, manifest.needs_imu) == ("desk_arm", 2, False)
    options = ("--robot", "twin", *ARM, "--axes", "0.6", "0.0", "--seconds", "2", "--record", str(tmp_path))
    figures = ran(deploy.main, capsys, str(clone), *options)
    assert (figures["gate_stops"], figures["stopped"]) == (0, "")
    (episode,) = [read_episode(path) for path in tmp_path.glob("*.mcap")]
    assert len(episode.time) == 40
    assert abs(episode.joint_pos[-1, 0] - 0.6) < 0.2, "the base turned as far as it was commanded"


def test_a_person_takes_over_from_its_clone(clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    who = ("--operator", "scripted", "--episodes", "1", "--seconds", "6")
    figures = ran(intervene.main, capsys, str(clone), str(tmp_path), "--robot", "twin", *ARM, *who)
    assert (figures["episodes"], figures["gate_stops"], figures["losses"]) == (1, 0, [])
    assert figures["takeovers"] >= 1
    (episode,) = [read_episode(path) for path in tmp_path.glob("*.mcap")]
    assert np.isfinite(episode.human.command).all(axis=1).any(), "the person's proposals are kept beside the clone's"


def test_the_machine_is_named_by_its_body_and_its_port(capsys: pytest.CaptureFixture[str]) -> None:
    spec = registry.find("desk_arm").load_spec()
    with DeskArmFirmware(spec) as firmware:
        options = ("--robot", "desk_arm", "--port", firmware.port, "--axes", "-0.3", "0.0", "--seconds", "1")
        figures = ran(deploy.main, capsys, "reach", *options)
        assert (figures["gate_stops"], figures["stopped"]) == (0, "")
        wait_for(lambda: firmware.torque == 0)
        assert np.abs(firmware.pos - spec.rest).max() < 0.05, "it lies, so that nothing fell"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("trot", "--robot", "sim", *ARM), "desk_arm has no policy 'trot'; it has reach, stand"),
        (("reach", "--robot", "sim", *ARM, "--axes", "1"), "desk_arm is commanded base angle"),
        (("reach", "--robot", "sim"), "pupper_v2 has no policy 'reach'"),
        (("stand", "--robot", "sim", "--axes", "1"), "pupper_v2 is commanded a velocity"),
        (("stand", "--robot", "pupper", *ARM, "--port", "x"), "name two bodies"),
        (("stand", "--body", "desk"), "no body is called 'desk'"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_does_not_fit_the_body_is_one_line(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(Exception, match=says):
        deploy.main([*words, "--seconds", "1"])


def test_a_pupper_has_no_use_for_an_arms_options() -> None:
    with pytest.raises(UsageError, match="two bodies"), open_robot(RobotOptions("pupper", "x", body="desk_arm")):
        pass
