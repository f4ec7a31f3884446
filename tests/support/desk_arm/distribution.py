"""Bodies that the tests add, as another distribution would: by an entry point that Python finds on its path."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from leash_robot.robot.bodies.registry import GROUP
from support.paths import TESTS

ENTRIES = {"desk_arm": "support.desk_arm.body:BODY"}


def distribution(folder: Path) -> Path:
    """A folder that holds an installed distribution with the tests' bodies; to be put on Python's path."""
    info = folder / "bodies_of_the_tests-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bodies-of-the-tests\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{name} = {where}" for name, where in ENTRIES.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Have the tests' bodies, here and in child processes."""
    added = [str(distribution(folder)), str(TESTS)]
    before = list(sys.path)
    sys.path += [place for place in added if place not in sys.path]
    try:
        yield
    finally:
        sys.path[:] = before
