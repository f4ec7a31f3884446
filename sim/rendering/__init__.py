"""Cameras and pictures of simulated robots."""
