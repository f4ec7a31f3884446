"""Where things are: the repository, and the folder that tests import helpers from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
CONFIGS = ROOT / "launch" / "configs"
