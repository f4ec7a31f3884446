"""The one dependency rule, the sizes, and what may not appear in the source."""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGES = ("robot", "sim", "policies", "teleop", "calibration", "launch", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_layers_are_kept() -> None:
    result = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "module",
    [
        "leash_robot.robot.loop",
        "leash_robot.robot.safety.process",
        "leash_robot.robot.bodies.pupper.driver",
        "leash_robot.policies.serving.client",
        "leash_robot.policies.scripted.gait",
        "leash_robot.teleop.drive",
        "leash_robot.launch.commands.deploy",
    ],
)
def test_what_runs_beside_the_motors_loads_no_torch_and_no_simulator(module: str) -> None:
    code = f"import sys, {module}; print([n for n in ('torch', 'pybullet', 'mujoco', 'gymnasium') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_nothing_from_a_file_or_the_wire_can_run_code() -> None:
    forbidden = re.compile(
        r"\b(pickle|dill|shelve|marshal)\b|torch\.load\(|yaml\.load\(|(?<!\.)\beval\(|\bexec\(|shell=True|allow_pickle=True"
    )
    hits = [f"{path.name}:{number}" for path in SOURCES for number, line in _code_lines(path) if forbidden.search(line)]
    assert hits == []


def test_wall_clock_stays_out_of_control() -> None:
    wall = re.compile(r"\btime\.time\(\)|datetime\.now\(|perf_counter\(\)")
    dated = {"dataset/labels.py", "recording/messages.py"}  # what a person reads beside a recording carries a date
    beside_motors = {"robot", "policies", "teleop"}
    control = [
        p for p in SOURCES if p.relative_to(ROOT).parts[0] in beside_motors and "/".join(p.parts[-2:]) not in dated
    ]
    hits = [f"{path.name}:{number}" for path in control for number, line in _code_lines(path) if wall.search(line)]
    assert hits == []


def test_files_and_functions_stay_small() -> None:
    lines = [len(path.read_text().splitlines()) for path in SOURCES if path.name != "__init__.py"]
    functions = [
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert statistics.median(lines) < 160
    assert max(lines) <= 350
    assert statistics.mean(functions) < 12


def test_package_files_import_nothing() -> None:
    assert [p for p in SOURCES if p.name == "__init__.py" and len(p.read_text().splitlines()) != 1] == []


def test_no_folder_holds_more_than_15_modules() -> None:
    folders = Counter(path.parent for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")] if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > 15} == {}


def _code_lines(path: Path) -> list[tuple[int, str]]:
    """Lines outside of docstrings."""
    tree, text = ast.parse(path.read_text()), path.read_text().splitlines()
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return [(number, line.split("#")[0]) for number, line in enumerate(text, 1) if number not in prose]


def test_no_two_public_classes_share_a_name() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "structure.py"), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(found.stdout.splitlines()[-1])
    assert (figures["classes_twice"], figures["largest_folder"] <= 15, figures["launch_share"] <= 0.25) == (
        0,
        True,
        True,
    )
