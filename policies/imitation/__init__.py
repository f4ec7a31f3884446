"""Imitation learning: behaviour cloning and DAgger."""
