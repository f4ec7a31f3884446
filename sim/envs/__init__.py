"""Gymnasium environments: commands, observations, rewards, tasks."""
