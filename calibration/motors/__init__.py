"""Motor models."""
