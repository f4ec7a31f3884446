"""Reading command lines."""
