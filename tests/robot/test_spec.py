"""What a body is, is read strictly and agreed on by hash."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import SpecError
from leash_robot.robot.spec import Spec, load_spec

JOINT = {"name": "hinge", "lower": -1.0, "upper": 1.0, "step": 0.5, "stand": 0.0, "rest": 0.5}
BODY = {"name": "door", "rate": 20, "joints": [JOINT], "gains": {"kp": 50, "kd": 2, "max_current": 7}}
LEGS = {"hip_x": 0.1, "hip_y": 0.05, "offset": 0.03, "thigh": 0.08, "shank": 0.11, "foot_radius": 0.01}


def written(folder: Path, **change: object) -> Path:
    path = folder / "door.yaml"
    path.write_text(yaml.safe_dump(BODY | change))
    return path


def test_the_built_in_spec_is_the_pupper() -> None:
    spec = load_spec()
    assert spec.names[:4] == (
        "front_right_abduction",
        "front_right_hip",
        "front_right_knee",
        "front_left_abduction",
    )
    assert (spec.rate, spec.period, len(spec.joints)) == (20, 0.05, 12)
    assert spec.gains.lag == pytest.approx(spec.gains.kd / spec.gains.kp)
    assert spec.legs is not None
    assert spec.cameras["head"].width == 640


def test_joint_values_come_as_arrays_that_nobody_can_change(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path))
    for array, value in ((spec.lower, -1.0), (spec.upper, 1.0), (spec.step, 0.5), (spec.stand, 0.0), (spec.rest, 0.5)):
        assert array.tolist() == [value]
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colour": "red"}, "colour"),
        ({"rate": 0}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"joints": []}, "joints"),
        ({"joints": [JOINT, JOINT]}, "not unique"),
        ({"joints": [JOINT | {"stand": 2.0}]}, r"hinge\.stand = 2\.0 is outside \[-1\.0, 1\.0\]"),
        ({"joints": [JOINT | {"rest": -1.5}]}, r"hinge\.rest"),
        ({"joints": [JOINT | {"rest": float("nan")}]}, "rest"),
        ({"joints": [JOINT | {"upper": float("inf")}]}, "upper"),
        ({"joints": [JOINT | {"step": -1.0}]}, "step"),
        ({"joints": [JOINT | {"stop": 1.0}]}, "stop"),
        ({"gains": {"kp": 50, "kd": 2, "max_current": 11}}, "max_current"),
        ({"legs": LEGS}, "four legs have the joints front_right_abduction"),
        ({"cameras": {"head": {"width": 1, "height": 480, "rate": 30}}}, "width"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        load_spec(written(tmp_path, **change))
    assert "door.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "a: 2025-13-45", "[" * 600, "a: !!python/object:os.system x", "\x00", ""])
def test_what_is_no_spec_at_all_is_one_line_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"bad\.yaml") as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_binary_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot read"):
        load_spec(tmp_path / "none.yaml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SpecError, match="cannot read"):
        load_spec(str(tmp_path / "binary.yml"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"no robot is called 'pupper_v9'; known are \[.*'pupper_v2'"):
        load_spec("pupper_v9")


@given(st.sampled_from(["lower", "upper", "step", "stand", "rest"]), st.integers(0, 11), st.floats(-0.01, 0.01))
def test_the_hash_changes_exactly_when_a_number_does(field: str, joint: int, change: float) -> None:
    spec = load_spec()
    plain = msgspec.to_builtins(spec)
    plain["joints"][joint][field] += change
    other = msgspec.convert(plain, Spec)
    assert (other.hash == spec.hash) == (getattr(other.joints[joint], field) == getattr(spec.joints[joint], field))


def test_the_hash_is_the_same_in_every_reading() -> None:
    assert load_spec().hash == load_spec().hash
    assert np.array_equal(load_spec().stand, load_spec().stand)


def test_the_pupper_has_the_hash_that_its_recordings_and_policies_carry() -> None:
    assert load_spec().hash == "68e276e0bc8e99b3"


def test_a_command_that_the_spec_does_not_say_is_a_body_velocity_and_has_no_part_in_the_hash(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path))
    assert [axis.name for axis in spec.commanded] == ["vx", "vy", "yaw rate"]
    assert b"command" not in msgspec.json.encode(spec)
    other = load_spec(written(tmp_path, command=[{"name": "speed", "unit": "rad/s", "limit": 0.5}]))
    assert [(axis.name, axis.limit) for axis in other.commanded] == [("speed", 0.5)]
    nothing = load_spec(written(tmp_path, command=[]))
    assert nothing.commanded == ()
    assert len({spec.hash, other.hash, nothing.hash}) == 3
    assert msgspec.json.decode(msgspec.json.encode(other), type=Spec).hash == other.hash


def test_a_command_out_of_bounds_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="limit"):
        load_spec(written(tmp_path, command=[{"name": "speed", "limit": -1.0}]))
