"""Recordings for tests: made, compared, on disks without room."""
