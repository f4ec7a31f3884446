"""`leash doctor`."""
