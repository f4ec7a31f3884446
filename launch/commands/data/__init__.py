"""`leash data`."""
