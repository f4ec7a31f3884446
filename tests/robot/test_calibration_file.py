"""A calibration file says what it must, and angles come back as they went."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from leash_robot.robot.calibration import (
    Calibration,
    CalibrationEstimate,
    CameraCalibration,
    dump_calibration,
    load_calibration,
)
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec
from support.paths import ROOT

SPEC = load_spec()
FILE = {
    "machine": "desk",
    "date": date(2025, 3, 1),
    "joint_offset": [0.01 * joint for joint in range(12)],
    "joint_sign": [1, -1] * 6,
    "imu_mount": [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
    "gyro_bias": [0.1, 0.0, -0.1],
}


def written(folder: Path, **change: object) -> Path:
    path = folder / "desk.yaml"
    path.write_text(yaml.safe_dump(FILE | change))
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    calibration = load_calibration(written(tmp_path), SPEC)
    assert (calibration.machine, calibration.date) == ("desk", date(2025, 3, 1))
    assert calibration.joint_sign[:2] == (1, -1)


def test_the_file_in_the_documentation_is_a_calibration(tmp_path: Path) -> None:
    page = ROOT.joinpath("docs", "how-to", "hardware.md").read_text()
    path = tmp_path / "documented.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert load_calibration(path, SPEC).machine == "desk"


def test_the_mount_and_the_bias_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text(
        yaml.safe_dump({key: FILE[key] for key in ("machine", "date", "joint_offset", "joint_sign")}), encoding="utf8"
    )
    assert load_calibration(path, SPEC).to_body(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"joint_offset": [0.0] * 11}, "joint_offset has 11"),
        ({"joint_sign": [1] * 13}, "joint_sign has 13"),
        ({"joint_sign": [2] * 12}, "joint_sign"),
        ({"joint_offset": [float("nan")] * 12}, "joint_offset"),
        ({"imu_mount": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.9]]}, "imu_mount is no rotation"),
        ({"imu_mount": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]}, "imu_mount is no rotation"),
        ({"gyro_bias": [0.0, 0.0]}, "gyro_bias"),
        ({"date": "soon"}, "date"),
        ({"machine": 7}, "machine"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    with pytest.raises(CalibrationError, match=field) as caught:
        load_calibration(written(tmp_path, **change), SPEC)
    assert "desk.yaml" in str(caught.value)


def test_a_camera_that_sits_in_no_possible_way_is_named(tmp_path: Path) -> None:
    head = {"width": 640, "height": 480, "fx": 700.0, "fy": 700.0, "cx": 320.0, "cy": 240.0}
    assert load_calibration(written(tmp_path, cameras={"head": head}), SPEC).cameras["head"].rotation is None
    mirrored = head | {"rotation": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]}
    with pytest.raises(CalibrationError, match=r"cameras.head.rotation is no rotation"):
        load_calibration(written(tmp_path, cameras={"head": mirrored}), SPEC)


def test_what_is_written_reads_back_with_the_same_hash(tmp_path: Path) -> None:
    full = replace(
        Calibration.identity(SPEC),
        imu_lean=(0.1, 0.0, -0.05),
        motors={"kp": CalibrationEstimate(1.1, 0.02)},
        cameras={"head": CameraCalibration(640, 480, 700.0, 701.0, 320.5, 239.5, (0.1, -0.2))},
        residuals={"touch_miss_mm": 0.02},
    )
    path = tmp_path / "full.yaml"
    path.write_text(dump_calibration(full))
    again = load_calibration(path, SPEC)
    assert again == full
    assert again.hash == full.hash != Calibration.identity(SPEC).hash


def test_gravity_comes_back_upright_from_a_leaning_filter() -> None:
    leaning = replace(Calibration.identity(SPEC), imu_lean=(0.1, 0.0, 0.0))
    down = np.array([0.0, np.sin(0.1), -np.cos(0.1)])
    np.testing.assert_allclose(leaning.upright(down), [0.0, 0.0, -1.0], atol=1e-12)
    np.testing.assert_array_equal(Calibration.identity(SPEC).upright(down), down)


def test_a_missing_file_is_a_calibration_error(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot read"):
        load_calibration(tmp_path / "none.yaml", SPEC)


def test_the_identity_changes_nothing() -> None:
    identity = Calibration.identity(SPEC)
    for convert in (identity.to_joints, identity.to_raw, identity.turned):
        np.testing.assert_array_equal(convert(SPEC.stand), SPEC.stand)


@given(st.lists(st.floats(-3, 3), min_size=12, max_size=12))
def test_angles_come_back_as_they_went(angles: list[float]) -> None:
    calibration = replace(Calibration.identity(SPEC), joint_offset=(0.1, -0.2) * 6, joint_sign=(1, -1, -1) * 4)
    there = calibration.to_raw(np.array(angles))
    np.testing.assert_allclose(calibration.to_joints(there), angles, atol=1e-12)


def test_the_hash_changes_with_anything(tmp_path: Path) -> None:
    hashes = {
        load_calibration(written(tmp_path, **change), SPEC).hash
        for change in ({}, {"machine": "other"}, {"gyro_bias": [0.0, 0.0, 0.0]}, {"joint_offset": [0.0] * 12})
    }
    assert len(hashes) == 4
    assert load_calibration(written(tmp_path), SPEC).hash in hashes
