"""Reinforcement learning on a robot."""
