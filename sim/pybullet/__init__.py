"""Pupper in PyBullet, for training."""
