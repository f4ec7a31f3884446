"""Composes trainings: what is learned, in which world, with which algorithm."""
