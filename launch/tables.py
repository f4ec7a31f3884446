"""The tables of ranges that come with the package, `ranges_*.yaml`."""

from pathlib import Path

from sim.randomize import Ranges, load_ranges


def table(name: str) -> Ranges:
    """The table called `train`, `unseen` or `hard`, or the one in a file. Raises SpecError."""
    return load_ranges(name, Path(__file__).parent)
