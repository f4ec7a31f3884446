"""The computer: child processes, optional packages, files."""
