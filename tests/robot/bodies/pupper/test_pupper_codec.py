"""Pupper's codec: the frames of each decision, and settings that it refuses."""

import math

import pytest
from msgspec.structs import replace

from leash_robot.robot.bodies.pupper.codec import PupperCodec
from leash_robot.robot.bodies.pupper.gate import pupper_gate
from leash_robot.robot.bodies.pupper.protocol import IDLE, encode_gains, encode_target
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.safety.state import Write
from leash_robot.robot.spec import load_spec

SPEC = load_spec()
CONFIG = pupper_gate(SPEC, "port", Calibration.identity(SPEC))
REST = tuple(SPEC.rest.tolist())
GAINS, DAMP = encode_gains(50.0, 2.0, 7.0), encode_gains(0.0, 2.0, 7.0)


@pytest.mark.parametrize(
    ("write", "frames"),
    [
        (Write("arm", REST), [*[IDLE] * 30, GAINS, encode_target(REST)]),
        (Write("target", REST), [encode_target(REST)]),
        (Write("damp"), [DAMP]),
        (Write("redamp"), [DAMP] * 30),
        (Write("clear"), [IDLE]),
        (Write("cut"), [IDLE] * 30),
        (Write("release"), [IDLE] * 3),
    ],
    ids=lambda value: value.kind if isinstance(value, Write) else "",
)
def test_each_decision_has_its_frames(write: Write, frames: list[bytes]) -> None:
    assert list(load_codec(CONFIG).encode(write)) == frames


def test_telemetry_is_not_asked_for() -> None:
    codec = PupperCodec(CONFIG)
    assert codec.due == math.inf
    assert list(codec.poll(0.0)) == list(codec.flush()) == []


@pytest.mark.parametrize("change", [{"max_current": 10.1}, {"kp": 0.0}, {"kd": -1.0}, {"ki": 1.0}])
def test_gains_out_of_bounds_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="Pupper's gains"):
        PupperCodec(replace(CONFIG, settings={**CONFIG.settings, **change}))


def test_another_number_of_joints_is_refused() -> None:
    with pytest.raises(SpecError, match="12 joints, not 3"):
        PupperCodec(replace(CONFIG, names=("a", "b", "c")))


@pytest.mark.parametrize("codec", ["leash_robot.no_such:Codec", "leash_robot.robot.safety.codec:NoSuch"])
def test_a_codec_that_is_not_there_is_named(codec: str) -> None:
    with pytest.raises(SpecError, match=f"no codec '{codec}'"):
        load_codec(replace(CONFIG, codec=codec))
