"""`leash calibrate diff`."""

from launch.calibrate_versions import diff as main

__all__ = ["main"]
