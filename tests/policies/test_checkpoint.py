"""Policy files: what was saved is loaded, and nothing that was not made by us gets further than one line."""

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from leash_robot.policies.cloned_policy import load
from leash_robot.policies.manifest import Manifest, NetworkConfig, check_fits, describe, from_json, to_json
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.policy_file import MAX_FILE, Weights, hash_weights, read_manifest, read_weights, save_policy
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import load_spec
from support.walks import BLIND

N = len(BLIND.joints)
NETWORK = NetworkConfig(members=2, hidden=(4,), horizon=2)
FEATURES = FeatureConfig(gravity=False, gyro=False, frames=1)
SHAPES = shapes(NETWORK, FEATURES.width(N), NETWORK.horizon * N)


def manifest(**changes: object) -> Manifest:
    made = msgspec.structs.replace(
        describe("bc", BLIND), features=FEATURES, network=NETWORK, box=(0.4,) * N, risk_scale=0.1
    )
    return msgspec.structs.replace(made, **changes)


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_policy(tmp_path / "walk.safetensors", manifest(), weights())
    return tmp_path / "walk.safetensors"


def forge(path: Path, made: Manifest | None = None, tensors: Weights | None = None, **metadata: str) -> Path:
    """A policy file that was not made by `save_policy`; its hash is right."""
    tensors = weights() if tensors is None else tensors
    made = manifest(weights=hash_weights(tensors)) if made is None else made
    path.write_bytes(save(dict(tensors), metadata={"manifest": to_json(made).decode()} | metadata))
    return path


def test_a_policy_file_gives_back_what_was_saved(file: Path) -> None:
    read = read_manifest(file)
    assert read == manifest(weights=hash_weights(weights()))
    loaded = read_weights(file, SHAPES, read)
    assert loaded.keys() == SHAPES.keys()
    for name, array in weights().items():
        np.testing.assert_array_equal(loaded[name], array)


def test_saving_replaces_the_file_whole_and_leaves_nothing_behind(file: Path) -> None:
    save_policy(file, manifest(risk_scale=0.7), weights())
    assert read_manifest(file).risk_scale == 0.7
    assert list(file.parent.iterdir()) == [file]


def test_the_manifest_survives_json() -> None:
    assert from_json(to_json(manifest())) == manifest()


def test_a_policy_fits_the_robot_it_was_made_for_and_no_other() -> None:
    check_fits(manifest(), BLIND)
    arm = msgspec.structs.replace(BLIND, name="arm", joints=BLIND.joints[:3])
    with pytest.raises(PolicyError, match=f"pupper_v2 {BLIND.hash} cannot drive arm {arm.hash}"):
        check_fits(manifest(), arm)


@pytest.mark.parametrize(("change", "named"), [({"rate": 50.0}, "rate"), ({"name": "pupper_v3"}, "the spec")])
def test_a_changed_spec_is_refused_and_the_difference_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(PolicyError, match=f"{named} changed since; train it again"):
        check_fits(manifest(), msgspec.structs.replace(load_spec(), cameras={}, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"stand": (0.0,)},
        {"box": (0.4,) * (N - 1)},
        {"features": None},
        {"network": None},
        {"lower": (-1.0,) * (N + 1)},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="manifest"):
        from_json(to_json(manifest(**change)))


@pytest.mark.parametrize(
    "edit",
    [
        {"extra": 1},
        {"risk_scale": 0},
        {"risk_scale": "NaN"},
        {"rate": -1},
        {"joints": []},
        {"joints": ["hip"] * 65},
        {"network": {"members": 10**9}},
        {"network": {"hidden": [10**9]}},
        {"features": {"frames": 10**9}},
        {"features": {"pixels": True}},
        {"training": {"call": ["os.system"]}},
    ],
)
def test_a_manifest_out_of_the_schema_is_refused(edit: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="not a policy's manifest"):
        from_json(json.dumps(json.loads(to_json(manifest())) | edit))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    text = to_json(manifest()).decode()
    assert '"box":[0.4' in text
    with pytest.raises(PolicyError, match="not a policy's manifest"):
        from_json(text.replace('"box":[0.4', f'"box":[{number}'))


@given(st.binary(max_size=80) | st.text(max_size=80))
def test_garbage_is_no_manifest(data: bytes | str) -> None:
    with pytest.raises(PolicyError):
        from_json(data)


def test_wrong_shapes_types_and_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    for name, change, told in (
        ("bias_0", np.zeros((2, 1, 5), np.float32), "not F32"),
        ("bias_0", np.zeros((2, 1, 4), np.float64), "F64"),
        ("other", np.zeros(1, np.float32), "are not those of its network"),
    ):
        forge(path, tensors=weights() | {name: change})
        with pytest.raises(PolicyError, match=told):
            load(path)
    forge(path, tensors={name: array for name, array in weights().items() if name != "gain_0"})
    with pytest.raises(PolicyError, match="gain_0"):
        load(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    for bad in (np.nan, np.inf):
        tensors = weights()
        tensors["weight_1"][0, 0, 0] = bad
        with pytest.raises(PolicyError, match="weight_1 is not finite"):
            load(forge(tmp_path / "p.safetensors", tensors=tensors))


def test_a_flipped_bit_in_the_weights_is_noticed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(PolicyError, match="not those its manifest names"):
        load(file)


def test_foreign_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="metadata"):
        read_manifest(forge(tmp_path / "p.safetensors", format="pt"))
    (tmp_path / "bare.safetensors").write_bytes(save(weights()))
    with pytest.raises(PolicyError, match="no policy file of leash"):
        read_manifest(tmp_path / "bare.safetensors")


def test_a_policy_without_a_network_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="without a network"):
        load(forge(tmp_path / "p.safetensors", describe("trot", BLIND), {"x": np.zeros(1, np.float32)}))


class Bomb:
    """Unpickling this would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


def pickled(trace: Path) -> bytes:
    return pickle.dumps(Bomb(trace))


def zipped(trace: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled(trace))
        archive.writestr("zeros", bytes(10**6))
    return buffer.getvalue()


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


TENSOR = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda trace: b"",
    "short": lambda trace: b"\x01",
    "pickle": pickled,
    "torch zip": zipped,
    "header of 2^63 bytes": lambda trace: (2**63).to_bytes(8, "little") + b"{}",
    "header longer than the file": lambda trace: (1000).to_bytes(8, "little") + b"{}",
    "header that is no JSON": lambda trace: header(b"\xff" * 64),
    "deeply nested header": lambda trace: header(b"[" * 100_000),
    "shape of 2^60": lambda trace: header(b'{"x":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'),
    "offsets outside": lambda trace: header(b'{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}') + bytes(4),
    "overlapping": lambda trace: header(b'{"x":' + TENSOR + b',"y":' + TENSOR + b"}") + bytes(4),
    "the same name twice": lambda trace: header(b'{"x":' + TENSOR + b',"x":' + TENSOR + b"}") + bytes(8),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_line_and_runs_nothing(kind: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "walk.safetensors", tmp_path / "trace"
    path.write_bytes(HOSTILE[kind](trace))
    events = Audit()
    with events, pytest.raises(PolicyError) as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert events.seen == []
    assert not trace.exists()


class Audit:
    """What the interpreter was asked to do that a policy file must never cause, while the block runs."""

    FORBIDDEN = frozenset({"pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen", "import"})
    _hooked = False
    _active: "Audit | None" = None

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> "Audit":
        if not Audit._hooked:
            sys.addaudithook(Audit._hear)
            Audit._hooked = True
        Audit._active = self
        return self

    def __exit__(self, *exc: object) -> None:
        Audit._active = None

    @classmethod
    def _hear(cls, event: str, args: tuple[object, ...]) -> None:
        if cls._active is not None and event in cls.FORBIDDEN:
            cls._active.seen.append(event)


def test_the_audit_would_notice(tmp_path: Path) -> None:
    data = pickled(tmp_path / "trace")
    with Audit() as events:
        pickle.loads(data)
    assert events.seen and (tmp_path / "trace").exists()


def test_a_giant_file_and_no_file_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as giant:
        giant.truncate(MAX_FILE + 1)
    with pytest.raises(PolicyError, match=f"at most {MAX_FILE}"):
        read_manifest(tmp_path / "giant")
    with pytest.raises(PolicyError, match="No such file"):
        read_manifest(tmp_path / "missing")
    with pytest.raises(PolicyError, match="is a folder; give a policy file"):
        read_manifest(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_unchanged_where_it_matters(data: st.DataObject, file: Path) -> None:
    good = file.read_bytes()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    path = file.with_name("damaged.safetensors")
    path.write_bytes(bad[: data.draw(st.sampled_from([len(bad), len(bad) - 1, len(bad) // 2]))])
    try:
        manifest_read = read_manifest(path)
        read = read_weights(path, SHAPES, manifest_read)
    except PolicyError as error:
        assert "\n" not in str(error)
    else:
        assert hash_weights(read) == hash_weights(weights())
