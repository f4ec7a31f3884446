"""Child processes run our code, wherever they are started and whatever PYTHONPATH names."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from leash_robot.robot.bodies.pupper.gate import pupper_gate
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.errors import PortError, RobotError
from leash_robot.robot.host import child
from leash_robot.robot.host.child import LONGEST, python_command, socket_folder
from leash_robot.robot.safety.client import GateLink
from leash_robot.robot.spec import CameraSpec, load_spec
from support.paths import ROOT

FOREIGN = ("robot", "sim", "policies", "teleop", "calibration", "launch", "cv2", "numpy", "zmq", "msgspec", "random")
"""Modules that somebody's own folder may well have, too."""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, also on PYTHONPATH, whose modules must never be imported."""
    for name in FOREIGN:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a foreign module was imported')\n")
    (tmp_path / "extension_of_somebody.py").write_text("FOUND = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def answer(command: list[str], **more: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | more)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "leash_robot.robot.safety.process",
        "leash_robot.robot.cameras.worker",
        "leash_robot.robot.recording.worker",
        "leash_robot.teleop.cockpit.server",
        "leash_robot.launch.commands.serve",
    ],
)
def test_a_child_imports_ours_in_a_folder_with_the_same_names(foreign: Path, module: str) -> None:
    program = f"import {module}, random; print({module}.__file__)"
    assert answer(python_command(program)) == str(ROOT / ".import" / f"{module.replace('.', '/')}.py")


def test_a_child_finds_what_only_the_parents_search_path_has(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(foreign), *sys.path])
    assert (
        answer(python_command("import extension_of_somebody as e, leash_robot.robot.safety.process; print(e.FOUND)"))
        == "True"
    )


def test_a_child_finds_ours_where_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_a_checkout.py").write_text("")
    monkeypatch.setattr(child, "ROOT", str(tmp_path))
    assert answer(python_command("import of_a_checkout; print(sys.path[0])")) == str(tmp_path)


def test_a_child_leaves_no_bytecode_where_we_leave_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in (True, False):
        monkeypatch.setattr(sys, "dont_write_bytecode", wanted)
        assert answer(python_command("print(sys.dont_write_bytecode)")) == str(wanted)


def test_what_the_user_makes_of_warnings_does_not_reach_a_child() -> None:
    assert answer(
        python_command("import warnings; warnings.warn('old'); print('went on')"), PYTHONWARNINGS="error"
    ) == ("went on")


def test_gate_and_camera_start_in_a_folder_with_the_same_names(foreign: Path) -> None:
    spec = load_spec()
    gate = GateLink(pupper_gate(spec, str(foreign / "port"), Calibration.identity(spec)))
    try:
        with pytest.raises(PortError, match="there is no port"):
            for _ in range(100):
                gate.wait(0.1)
    finally:
        gate.close()
    with open_camera("synthetic", CameraSpec(64, 48, 30.0)) as camera:
        assert camera.latest() is not None


def test_the_command_runs_with_a_pythonpath_of_the_same_names(foreign: Path) -> None:
    program = "import sys; sys.path[:0] = [sys.argv.pop()]; from leash_robot.launch.start import main; sys.exit(main())"
    said = answer([sys.executable, "-P", "-c", program, "keys", "new", "--folder", "keys", str(foreign)])
    assert said == ""
    assert (foreign / "keys" / "robot.key_secret").exists()


def test_no_process_is_started_but_by_the_one_place_that_isolates_it() -> None:
    packages = ("robot", "sim", "policies", "teleop", "calibration", "launch", "benchmarks")
    sources = [
        path
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if path.name not in {"child.py", "start.py", "sac_updates.py"}  # the last compares two source trees
    ]
    starts = re.compile(r"\[\*?sys\.executable|\(sys\.executable")
    assert [str(path) for path in sources if starts.search(path.read_text())] == []


def test_sockets_have_a_short_path_however_long_tmpdir_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with socket_folder("leash-") as folder:
        assert len(folder) <= LONGEST
    assert list(long.iterdir()) == []


def test_sockets_have_a_place_without_any_tmpdir(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", missing)
    with socket_folder("leash-") as folder:
        assert Path(folder).is_dir()


def test_no_place_for_sockets_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(child, "_places", lambda: iter([str(tmp_path / "nowhere")]))
    with pytest.raises(RobotError, match=r"no folder for sockets: .*nowhere .*set TMPDIR"):
        socket_folder("leash-")
