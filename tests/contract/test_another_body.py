"""The page about another body: its spec is one, and its driver passes the contract test."""

import importlib
import re
import struct
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import test_robot_contract as contract

from leash_robot.robot.bodies import registry
from leash_robot.robot.bodies.gated_robot import GatedRobot
from leash_robot.robot.bodies.registry import Simulated, Wiring
from leash_robot.robot.fake import NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.safety.messages import Telemetry, check
from leash_robot.robot.safety.state import Write
from leash_robot.robot.types import Action, Observation, Robot
from support.paths import ROOT

PAGE = (ROOT / "docs" / "how-to" / "another_body.md").read_text()
SIMPLE = [
    contract.test_it_stands_after_reset,
    contract.test_observations_have_the_shapes_and_units_that_are_promised,
    contract.test_ticks_are_one_period_apart,
    contract.test_what_was_sent_is_clamped_to_range_and_step,
    contract.test_what_was_sent_keeps_command_source_and_risk,
    contract.test_holding_keeps_the_last_target,
    contract.test_an_action_that_has_expired_is_held_instead,
    contract.test_targets_move_the_joints,
    contract.test_it_lies_down_and_stands_up_again,
    contract.test_the_loop_runs_on_it,
]


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language."""
    return [str(found) for found in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's package, as it would be installed."""
    folder = tmp_path_factory.mktemp("site")
    package, info = folder / "desk_arm", folder / "desk_arm-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "desk_arm.yaml").write_text(blocks("yaml")[0])
    for name, text in zip(("sim", "codec", "body"), blocks("python"), strict=True):
        (package / f"{name}.py").write_text(text)
    group = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    lines = [f"[{name}]\n{key} = {where}" for name, entries in group.items() for key, where in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-arm\nVersion: 1.0\n")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "desk_arm"]:
        del sys.modules[name]


@pytest.fixture
def arm(site: Path) -> Callable[..., Robot]:
    made: Callable[..., Robot] = importlib.import_module("desk_arm.sim").Arm
    return made


@pytest.mark.parametrize("check", SIMPLE, ids=lambda check: check.__name__)
def test_the_documented_driver_keeps_the_contract(arm: Callable[..., Robot], check: Callable[[Robot], None]) -> None:
    with arm(contract.SPEC) as robot:
        check(robot)


def test_the_documented_driver_does_not_follow_what_is_no_number(arm: Callable[..., Robot]) -> None:
    with arm(contract.SPEC) as robot:
        contract.test_a_target_that_is_no_number_is_not_followed(robot, float("nan"))


def test_the_documented_body_is_found_and_runs_in_its_simulator(site: Path) -> None:
    body = registry.find("desk_arm")
    spec = body.load_spec()
    assert spec.names == ("base", "shoulder", "elbow")
    assert [axis.name for axis in spec.commanded] == ["base speed"]

    class Still:
        def reset(self) -> None: ...

        def act(self, obs: Observation) -> Action:
            return Action(spec.stand)

    with body.sim(Simulated(spec)) as robot, NoLog() as log:
        robot.reset()
        assert run(robot, Still(), log, ticks=5) == 5


def test_the_documented_driver_asks_its_gate_for_the_documented_codec(site: Path) -> None:
    body = registry.find("desk_arm")
    machine = body.real(Wiring(body.load_spec(), "port"))
    assert isinstance(machine, GatedRobot)
    config = machine.gate_config()
    codec = load_codec(check(config))
    assert codec.poll(0.0) == [b"?"] and codec.due > 0.0 and codec.flush() == []
    pose = struct.pack("<3h", 0, 600, -1200)
    frame = pose + bytes((-sum(pose) & 0xFF,))
    assert list(codec.feed(frame[:3], 1.0)) == []
    (state,) = codec.feed(frame[3:] + b"\1" * 7, 1.0)
    assert isinstance(state, Telemetry) and state.pos == (0.0, 0.6, -1.2)
    assert codec.rejected == 1
    assert [bool(codec.encode(Write(kind))) for kind in ("arm", "damp", "release", "clear")] == [
        True,
        True,
        True,
        False,
    ]
