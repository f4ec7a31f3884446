"""Procedures that measure one machine and write the file that its driver reads."""
