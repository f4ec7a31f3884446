"""A policy that learned with one calibration does not drive a machine with another, unless a person says so."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from leash_robot.calibration.store import Store
from leash_robot.launch.commands.doctor import robot as doctor_robot
from leash_robot.launch.composition.policies import gait_needs_imu, needs_imu
from leash_robot.launch.composition.robots import RobotOptions
from leash_robot.policies.manifest import describe, with_calibration
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import load_spec
from support.policy_files import walker
from support.recording.recordings import fill, small_spec, start, ticks

SPEC = load_spec()
BARE = Calibration.identity(SPEC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A machine that was calibrated twice."""
    kept = Store(tmp_path / "calibrations", "desk", SPEC)
    kept.save(BARE)
    kept.save(replace(BARE, gyro_bias=(0.1, 0.0, 0.0)))
    return kept


def learned(tmp_path: Path, calibration: str) -> str:
    return walker(tmp_path / "walk.safetensors", calibration=calibration)


def test_a_policy_drives_the_calibration_that_it_learned_with(tmp_path: Path, store: Store) -> None:
    name = learned(tmp_path, store.version(2).hash)
    assert isinstance(needs_imu(name, RobotOptions("pupper", calibration=store.folder)), bool)


def test_a_foreign_calibration_is_refused_with_both_hashes_and_the_way_out(tmp_path: Path, store: Store) -> None:
    name, here = learned(tmp_path, "c0ffee"), store.version(2).hash
    for options in (RobotOptions(calibration=store.folder), RobotOptions("pupper", calibration=store.paths[-1])):
        with pytest.raises(PolicyError, match=rf"calibration c0ffee, another machine's.*{here} of desk.*--accept-cal"):
            needs_imu(name, options)
    with pytest.raises(PolicyError, match="c0ffee"):
        gait_needs_imu(name, RobotOptions("pupper", calibration=store.folder))
    needs_imu(name, RobotOptions("pupper", calibration=store.folder, accept_calibration="c0ffee"))


def test_a_stale_calibration_is_refused_as_the_same_machines(tmp_path: Path, store: Store) -> None:
    name = learned(tmp_path, store.version(1).hash)
    with pytest.raises(PolicyError, match="version 1 of the same machine") as caught:
        needs_imu(name, RobotOptions("pupper", calibration=store.folder))
    assert all(store.version(number).hash in str(caught.value) for number in (1, 2))


def test_a_machine_without_any_is_refused_and_a_simulated_one_is_not(tmp_path: Path) -> None:
    name = learned(tmp_path, "c0ffee")
    with pytest.raises(PolicyError, match="runs without any"):
        needs_imu(name, RobotOptions("pupper", port="/dev/null"))
    needs_imu(name, RobotOptions("twin"))
    needs_imu(name, RobotOptions("sim"))


def test_doctor_says_the_same(tmp_path: Path, store: Store) -> None:
    path, known = Path(learned(tmp_path, "c0ffee")), store.version(2)
    (finding,) = doctor_robot.policy(path, SPEC, known, store.folder, imu=True, real=True)
    assert finding.level == "fail"
    assert "c0ffee" in finding.seen
    assert known.hash in finding.seen
    assert "--accept-calibration c0ffee" in finding.fix
    (simulated,) = doctor_robot.policy(path, SPEC, BARE, None, imu=True, real=False)
    assert simulated.level == "ok"


def recorded(folder: Path, *hashes: str) -> list[Episode]:
    made = []
    for number, one in enumerate(hashes):
        writer = EpisodeWriter(folder / f"{number}.mcap", replace(start(index=number), calibration_hash=one))
        fill(writer, ticks(3))
        made.append(read_episode(writer.finish(End("success"))))
    return made


def test_a_policy_is_marked_with_the_calibration_that_all_its_recordings_share(tmp_path: Path) -> None:
    manifest = describe("bc", SPEC)
    assert with_calibration(manifest, recorded(tmp_path, "c0ffee", "c0ffee")).calibration == "c0ffee"
    assert with_calibration(manifest, recorded(tmp_path, "c0ffee", "facade")).calibration == ""
    none = Calibration.identity(small_spec()).hash
    assert with_calibration(manifest, recorded(tmp_path, none)).calibration == ""
