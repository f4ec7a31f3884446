"""`leash calibrate show`."""

from launch.calibrate_versions import show as main

__all__ = ["main"]
