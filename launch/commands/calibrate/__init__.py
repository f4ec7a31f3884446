"""`leash calibrate`."""
