"""Policies without a network: the trot, and standing."""
