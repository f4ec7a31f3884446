"""Bodies are found by name, ours and those of other distributions; what is no body is named."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leash_robot.robot.bodies import registry
from leash_robot.robot.bodies.registry import Body, Simulated
from leash_robot.robot.errors import SpecError, UsageError
from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.spec import load_spec
from support.desk_arm import distribution as bodies


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Entry points of a distribution, to be filled in before they are looked at."""
    wanted = dict(bodies.ENTRIES)
    monkeypatch.setattr(bodies, "ENTRIES", wanted)
    yield wanted


def test_the_built_in_body_needs_no_installation() -> None:
    body = registry.find()
    assert (body.name, body.defaults.gait) == ("pupper", "trot")
    assert body.load_spec().hash == load_spec().hash
    assert registry.find_by_spec("pupper_v2") == body
    assert registry.find_by_spec("nobody") is None


def test_another_distribution_adds_one(entries: dict[str, str], tmp_path: Path) -> None:
    assert registry.names() == ["pupper"]
    with bodies.installed(tmp_path):
        assert registry.names() == ["desk_arm", "pupper"]
        assert registry.find_by_spec("desk_arm") == registry.find("desk_arm")
    with pytest.raises(UsageError, match="no body is called 'desk_arm'"):
        registry.find("desk_arm")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("support.no_such_module:BODY", "cannot be imported"),
        ("support.desk_arm.body:NOTHING", "cannot be imported"),
        ("support.desk_arm.body:CODEC", "is no Body called 'desk_arm'"),
        ("leash_robot.robot.bodies.pupper.body:BODY", "is no Body called 'desk_arm'"),
    ],
)
def test_an_entry_that_is_no_body_is_named(entries: dict[str, str], tmp_path: Path, where: str, says: str) -> None:
    entries["desk_arm"] = where
    with bodies.installed(tmp_path), pytest.raises(SpecError, match=says):
        registry.find("desk_arm")


def test_a_body_without_a_simulator_says_so(tmp_path: Path) -> None:
    body = Body("bare", tmp_path / "bare.yaml", "a:B", "a:B.of")
    how = Simulated(load_spec())
    with pytest.raises(UsageError, match="bare has no sim"):
        body.sim(how)
    with pytest.raises(UsageError, match="bare has no twin"):
        body.twin(how)


@pytest.mark.parametrize("name", ["pupper"])
def test_listing_bodies_imports_neither_simulators_nor_networks(name: str) -> None:
    heavy = "('torch', 'pybullet', 'mujoco', 'gymnasium')"
    code = f"import sys; from leash_robot.robot.bodies import registry; registry.find({name!r})"
    code += f"; print([n for n in {heavy} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_gate_that_loads_puppers_codec_imports_neither_numpy_nor_yaml() -> None:
    code = f"import sys; from importlib import import_module; import {load_codec.__module__}; "
    code += "import leash_robot.robot.safety.process; import_module('leash_robot.robot.bodies.pupper.codec')"
    code += "; print([n for n in ('numpy', 'yaml') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
