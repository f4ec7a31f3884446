"""`leash eval`."""
