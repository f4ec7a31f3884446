"""Measuring policies on simulated robots."""
