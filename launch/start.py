"""Where the `leash` command begins: sees to it that it is our own modules that the rest imports."""

import importlib
import os
import sys
import warnings
from pathlib import Path

import leash_robot

ROOT = Path(leash_robot.__file__).resolve().parents[1]


def main() -> int:
    """Run the command line; see `leash_robot.launch.cli`."""
    if sys.getfilesystemencoding() != "utf-8":
        _again_in_utf8()
    last_of_all(os.environ.pop("PYTHONPATH", ""))
    if os.environ.pop("PYTHONWARNINGS", ""):
        sys.warnoptions.clear()
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    os.environ["PYTHONSAFEPATH"] = "1"  # for the processes that multiprocessing starts in the working directory
    code: int = importlib.import_module("leash_robot.launch.cli").main()
    return code


def _again_in_utf8() -> None:
    """Start over, with the names of files as UTF-8, where the locale has an encoding that cannot spell them all."""
    os.environ["PYTHONUTF8"] = "1"  # for the processes that we start
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def last_of_all(places: str) -> None:
    """Search what PYTHONPATH names after everything else, so that it adds modules and replaces none."""
    named = [place for place in map(_whole, places.split(os.pathsep)) if place and place != str(ROOT)]
    sys.path[:] = [place for place in sys.path if place and _whole(place) not in named] + named


def _whole(place: str) -> str:
    """A place as an absolute path; nothing for the working directory's short name."""
    return str(Path(place).resolve()) if place else ""
