"""Delays between a command, its motion, and what is seen of it."""
