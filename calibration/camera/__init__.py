"""Lens and mounting of a camera."""
