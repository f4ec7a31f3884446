"""`leash train`."""
