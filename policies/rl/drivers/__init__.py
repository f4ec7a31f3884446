"""Drivers of a training: asynchronous, synchronous, on the robot."""
