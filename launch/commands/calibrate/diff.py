"""`leash calibrate diff`."""

from leash_robot.launch.commands.calibrate.versions import diff as main

__all__ = ["main"]
