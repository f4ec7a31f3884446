"""`leash calibrate history`."""

from launch.calibrate_versions import history as main

__all__ = ["main"]
