"""The tables of ranges that come with the package."""

from leash_robot.launch.options.shipped import CONFIGS
from leash_robot.launch.reporting.output import console
from leash_robot.sim.randomization.sampling import Ranges, load_ranges

RENAMED = {"unseen": "inside"}
"""Tables by the names that they had before."""


def table(name: str) -> Ranges:
    """The table called `train`, `inside`, `outside` or `hard`, or the one in a file. Raises SpecError."""
    if name in RENAMED:
        console.print(f"note: the table `{name}` lies within what training draws; it is called `{RENAMED[name]}` now")
    return load_ranges(RENAMED.get(name, name), CONFIGS / "ranges")
