"""`leash calibrate show`."""

from leash_robot.launch.commands.calibrate.versions import show as main

__all__ = ["main"]
