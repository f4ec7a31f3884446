"""Dynamics of simulated robots and the ranges that they are drawn from."""
