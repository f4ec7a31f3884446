"""`leash demo`."""
