"""`leash calibrate history`."""

from leash_robot.launch.commands.calibrate.versions import history as main

__all__ = ["main"]
