"""The distribution: a wheel runs from an empty folder, and other packages named `robot` or `launch` do no harm."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.pages import execute, leash_commands
from support.paths import ROOT

BIN = Path(sys.executable).parent
RAISES = 'raise ImportError("this is not the package of leash")\n'
SHADOWS = ("robot", "launch", "sim", "policies", "teleop", "calibration", "benchmarks")
"""Names of our folders, some of which are packages of ROS 2 and Robot Framework."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from a source distribution, which is built from the repository."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment that has the wheel, and sees the packages that it depends on."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(pip, check=True, timeout=120)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_the_wheel_has_one_import_name_and_all_that_is_not_python(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"leash_robot", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
    assert "leash_robot/py.typed" in names
    tracked = subprocess.run(["git", "ls-files", *SHADOWS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {f"leash_robot/{file}" for file in tracked.splitlines()} <= set(names)


def test_the_source_distribution_has_the_licence_and_no_rubbish(wheel: Path) -> None:
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"LICENSE", "README.md", "pyproject.toml"} <= set(names)
    assert [name for name in names if "__pycache__" in name or name.startswith((".venv", "build/"))] == []


def test_the_installed_package_is_the_one_that_runs(programs: Path, tmp_path: Path) -> None:
    where = [str(programs / "python"), "-c", "import leash_robot.robot.loop as loop; print(loop.__file__)"]
    said = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(programs.parent) in said


@pytest.mark.slow
def test_an_installed_wheel_runs_the_commands_of_the_readme_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    for line in leash_commands(ROOT / "README.md"):
        result = execute(line, tmp_path, programs)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize(
    "line",
    [
        "leash eval pupper_walk --robot sim --episodes 1 --seconds 2 --settle 0.5",
        "leash train sac --config pupper/nothing",
        "leash train sac --config pupper/walk --help",
        "leash deploy pupper_walk --robot twin --dynamics twins/heavy_slippery --seconds 1",
        "leash sim show hard --draws 1",
    ],
)
def test_shipped_files_are_found_by_name(line: str, programs: Path, tmp_path: Path) -> None:
    result = execute(line, tmp_path, programs)
    if "nothing" in line:
        assert result.returncode == 2
        assert "pupper/walk" in result.stderr
    else:
        assert result.returncode == 0, result.stderr


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with packages of our folders' names, each of which fails when it is imported."""
    for name in SHADOWS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(RAISES)
    return tmp_path


def deploys(folder: Path, environment: Mapping[str, str]) -> None:
    """A scripted gait drives both simulated robots, with every process that belongs to that."""
    for robot in ("sim", "twin"):
        command = [
            str(BIN / "leash"),
            "deploy",
            "trot",
            "--robot",
            robot,
            "--seconds",
            "1",
            "--record",
            str(folder / robot),
        ]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr


def test_commands_work_in_a_folder_that_holds_robot_and_launch(shadows: Path) -> None:
    deploys(shadows, os.environ)


def test_commands_work_with_such_packages_on_pythonpath(
    shadows: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    deploys(tmp_path_factory.mktemp("elsewhere"), os.environ | {"PYTHONPATH": str(shadows)})


def test_commands_work_beside_robot_framework_and_it_beside_them(tmp_path: Path) -> None:
    suite = tmp_path / "suite.robot"
    suite.write_text("*** Test Cases ***\nNothing\n    No Operation\n")
    run = [sys.executable, "-m", "robot", "--outputdir", str(tmp_path), str(suite)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    deploys(tmp_path, os.environ)
