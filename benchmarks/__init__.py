"""The headline figures, each by one command."""
