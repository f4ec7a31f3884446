"""Mounting of the IMU."""
