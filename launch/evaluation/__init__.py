"""Measuring policies on many simulated machines."""
