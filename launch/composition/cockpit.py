"""Opens the page for `--operator browser`, and says where it is."""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.cockpit.client import LOOPBACK, Cockpit, CockpitOptions
from leash_robot.teleop.devices.keymap import KeyMap


@contextlib.contextmanager
def open_cockpit(who: OperatorOptions, folder: Path) -> Iterator[Cockpit | None]:
    """The page, for the length of the block, if the browser is among the operators; says where it is.

    `folder` is where episodes go. Raises OperatorError.
    """
    if "browser" not in who.operator:
        yield None
        return
    for needed in ("starlette", "uvicorn", "websockets"):
        if importlib.util.find_spec(needed) is None:
            raise OperatorError(f"the page needs the package {needed!r}: pip install 'leash-robot[teleop]'")
    options = CockpitOptions(folder, who.page_host, who.page_port, KeyMap().remapped(who.keys))
    with Cockpit(options) as cockpit:
        for word, url in zip(("open", *["  or"] * len(cockpit.urls)), cockpit.urls, strict=False):
            console.print(f"{word} [link]{url}[/link]", soft_wrap=True, highlight=False)
        if who.page_host != LOOPBACK:
            console.print("note: whoever can read this network's traffic can read that address and drive the robot")
        yield cockpit
