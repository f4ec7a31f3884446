"""Where the `leash` command begins: quiet from its first line on, and deaf to what might shadow our modules or theirs.

Nothing is imported here that Python has not imported by itself, so that a signal finds its handler as early as can be.
"""

import os
import signal
import sys
from types import FrameType

import leash_robot

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command line; see `leash_robot.launch.cli`."""
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    if sys.getfilesystemencoding() != "utf-8":
        _again_in_utf8()
    last_of_all(os.environ.pop("PYTHONPATH", ""))
    if os.environ.pop("PYTHONWARNINGS", ""):
        import warnings

        sys.warnoptions.clear()
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    os.environ["PYTHONSAFEPATH"] = "1"  # for the processes that multiprocessing starts in the working directory
    from leash_robot.launch import cli

    return cli.main()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has begun yet. Note: an exception might be swallowed by a module that is being imported."""
    os._exit(128 + number)


def _again_in_utf8() -> None:
    """Start over, with the names of files as UTF-8, where the locale has an encoding that cannot spell them all."""
    os.environ["PYTHONUTF8"] = "1"  # for the processes that we start
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def last_of_all(places: str) -> None:
    """Search what PYTHONPATH names after everything else, so that it adds modules and replaces none."""
    ours = os.path.dirname(os.path.dirname(os.path.realpath(leash_robot.__file__)))  # noqa: PTH120
    named = [os.path.realpath(place) for place in places.split(os.pathsep) if place and os.path.realpath(place) != ours]
    sys.path[:] = [place for place in sys.path if place and os.path.realpath(place) not in named] + named
