"""Reinforcement learning in simulation."""
