"""The scripts in examples/ run as their docstrings say, in an empty folder, and say what they promise."""

import os
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

EXAMPLES = ROOT / "examples"


def run_example(name: str, folder: Path, *args: str) -> str:
    """Standard output of an example that must succeed."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *args],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_five_short_examples_and_each_is_run_here() -> None:
    files = sorted(EXAMPLES.glob("*.py"))
    assert [file.stem for file in files] == ["deploy", "drive", "own_policy", "record", "train"]
    assert max(len(file.read_text().splitlines()) for file in files) < 60


def test_driving_measures_the_speed(tmp_path: Path) -> None:
    said = run_example("drive", tmp_path)
    assert 0.15 < float(said.split("measured ")[1].split()[0]) < 0.25


def test_what_was_recorded_is_trained_on_and_deployed(tmp_path: Path) -> None:
    assert run_example("record", tmp_path, "data").count("episode") == 3
    assert (tmp_path / "data" / "episode_000002.mcap").is_file()
    run_example("train", tmp_path, "data", "policy.safetensors")
    assert " s, " in run_example("deploy", tmp_path, "policy.safetensors")


def test_a_policy_class_of_ones_own_drives(tmp_path: Path) -> None:
    assert run_example("own_policy", tmp_path).startswith("80 ticks")
