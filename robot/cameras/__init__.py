"""Cameras: each in a process of its own, the newest frame in shared memory."""
