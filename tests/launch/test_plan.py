"""Which processes run, and which robot a command line opens."""

from pathlib import Path

import pytest

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import RobotOptions, camera_sources, open_robot
from leash_robot.robot.bodies.registry import KINDS
from leash_robot.robot.errors import CameraError, PortError, SpecError
from leash_robot.robot.spec import load_spec
from support.paths import CONFIGS


@pytest.mark.parametrize("kind", KINDS)
def test_the_built_in_plans_run_the_loop_at_the_specs_rate(kind: str) -> None:
    plan = load_plan(kind)
    assert plan.processes.control.rate == load_spec(plan.spec).rate


def test_processes_run_under_their_conditions() -> None:
    plan = load_plan("twin")
    assert set(plan.running(set())) == {"control", "gate", "twin"}
    assert set(plan.running({"cameras", "learned", "recording"})) == {
        *("control", "gate", "twin", "camera", "server", "recorder")
    }


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = (CONFIGS / "robots" / "twin.yaml").read_text()
    assert old in text
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  gate:", "  goat:", "goat"),
        ("rate: 30, when", "rate: 0, when", "rate"),
        ("when: cameras", "when: sometimes", "sometimes"),
        ("spec: pupper_v2", "spec: pupper_v2\nspeed: 3", "speed"),
    ],
)
def test_a_plan_with_a_mistake_is_refused_by_name(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        load_plan("twin", edited(tmp_path, old, new))


def test_a_twin_cannot_run_without_its_gate(tmp_path: Path) -> None:
    path = edited(tmp_path, "  gate:     {}", "")
    with pytest.raises(SpecError, match="gate"):
        load_plan("twin", path)


def test_a_loop_at_another_rate_than_the_spec_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, "control:  {rate: 20", "control:  {rate: 25")
    with pytest.raises(SpecError, match="25.0 Hz"), open_robot(RobotOptions(robot="twin", plan=path)):
        pass


def test_a_real_robot_needs_a_port() -> None:
    with pytest.raises(PortError, match="--port"), open_robot(RobotOptions(robot="pupper")):
        pass


def test_cameras_are_named_or_switched_on() -> None:
    attached = {"head": "http://127.0.0.1:1/"}
    assert camera_sources((), attached) == {}
    assert camera_sources(("on",), attached) == attached
    assert camera_sources(("on", "head=synthetic"), attached) == {"head": "synthetic"}
    with pytest.raises(CameraError, match="headsynthetic"):
        camera_sources(("headsynthetic",), attached)


def test_a_camera_that_the_spec_does_not_name_is_refused() -> None:
    options = RobotOptions(robot="twin", camera=("tail=synthetic",))
    with pytest.raises(CameraError, match="tail"), open_robot(options):
        pass
