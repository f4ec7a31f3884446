"""Calibrations are kept, never overwritten; stale and foreign ones are refused with both hashes."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from leash_robot.calibration.store import Store, choose, refuse_foreign
from leash_robot.robot.calibration import Calibration, CalibrationEstimate
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec
from leash_robot.sim.randomization.dynamics import load_dynamics
from leash_robot.sim.randomization.identified import dynamics_of, ranges_of, write_dynamics
from leash_robot.sim.randomization.sampling import Ranges
from support.recording.disks import files_at_most

SPEC = load_spec()
BARE = Calibration.identity(SPEC)
MOTORS = {
    "kp": CalibrationEstimate(1.1, 0.02),
    "kd": CalibrationEstimate(0.9, 0.01),
    "motor_strength": CalibrationEstimate(0.8, 0.02),
    "joint_friction": CalibrationEstimate(0.02, 0.001),
    "rotor_inertia": CalibrationEstimate(1.2, 0.03),
}
LATENCY = {"round_trip_ms": CalibrationEstimate(40.0, 0.5), "state_age_ms": CalibrationEstimate(5.0, 1.0)}


def test_every_version_is_kept_and_knows_the_one_before(tmp_path: Path) -> None:
    store = Store(tmp_path, "desk", SPEC)
    assert store.newest() is None
    first, second = store.save(BARE), store.save(replace(BARE, gyro_bias=(0.1, 0.0, 0.0)))
    assert [one.version for one in store.history()] == [1, 2]
    newest = store.newest()
    assert newest is not None
    assert newest.parent == store.version(1).hash
    assert (first.name[:5], second.name[:5]) == ("0001-", "0002-")
    with pytest.raises(CalibrationError, match=r"no version 7; there are \[1, 2\]"):
        store.version(7)


def test_nothing_is_written_over_when_writing_fails(tmp_path: Path) -> None:
    store = Store(tmp_path, "desk", SPEC)
    path = store.save(BARE)
    before = path.read_bytes()
    with pytest.raises(CalibrationError, match="joint_offset"):
        store.save(replace(BARE, joint_offset=(float("nan"),) * 12))
    assert (path.read_bytes(), list(store.folder.iterdir())) == (before, [path])
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="cannot write"):
        Store(tmp_path / "file", "desk", SPEC).save(BARE)


def test_a_store_that_cannot_be_written_is_found_out_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for place in ("file", "link", "x" * 300):
        with pytest.raises(CalibrationError, match=r"^cannot write into .*; name another --store$"):
            Store(tmp_path / place, "desk", SPEC).check_writable()
    with files_at_most(1000), pytest.raises(CalibrationError, match="File too large; name another --store"):
        Store(tmp_path, "desk", SPEC).check_writable()


def test_looking_whether_a_store_can_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    Store(tmp_path / "deep" / "down", "desk", SPEC).check_writable()
    assert list(tmp_path.iterdir()) == []


def test_a_stale_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    store = Store(tmp_path, "desk", SPEC)
    old, new = store.save(BARE), store.save(replace(BARE, gyro_bias=(0.1, 0.0, 0.0)))
    with pytest.raises(CalibrationError, match="stale") as caught:
        choose(old, SPEC)
    hashes = [store.version(number).hash for number in (1, 2)]
    assert all(one in str(caught.value) for one in hashes)
    assert choose(new, SPEC) == choose(store.folder, SPEC) == store.version(2)


def test_a_foreign_one_is_refused_with_both_hashes(tmp_path: Path) -> None:
    mine, other = Store(tmp_path, "desk", SPEC), Store(tmp_path, "shelf", SPEC)
    mine.save(replace(BARE, serial="111"))
    other.save(replace(BARE, serial="222"))
    with pytest.raises(CalibrationError, match="belongs to the machine 222") as caught:
        choose(other.folder, SPEC, serial="111")
    assert all(store.version(1).hash in str(caught.value) for store in (mine, other))
    choose(mine.folder, SPEC, serial="111")
    with pytest.raises(CalibrationError, match="none yet"):
        refuse_foreign(replace(BARE, serial="222"), "333", mine.folder, SPEC)


def test_a_folder_without_calibrations_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="leash calibrate all"):
        choose(tmp_path, SPEC)


def test_the_simulator_reads_what_was_identified_and_draws_around_it(tmp_path: Path) -> None:
    found = replace(BARE, motors=MOTORS, latency=LATENCY)
    dynamics_path, ranges_path = write_dynamics(found, tmp_path / "0001-x.yaml")
    dynamics, ranges = load_dynamics(dynamics_path), read_yaml(ranges_path, Ranges)
    assert (dynamics, ranges) == (dynamics_of(found), ranges_of(found))
    assert (dynamics.kp, dynamics.motor_strength, dynamics.rotor_inertia) == (1.1, 0.8, 1.2)
    assert dynamics.action_latency_ms + dynamics.telemetry_latency_ms == pytest.approx(40 + 5 + 2)
    assert ranges.kp == pytest.approx((1.04, 1.16))
    for name in MOTORS:
        low, high = getattr(ranges, name)
        assert low < getattr(dynamics, name) < high


def test_motors_that_nobody_identified_give_no_dynamics() -> None:
    with pytest.raises(CalibrationError, match="leash calibrate motors"):
        dynamics_of(BARE)
