"""The safety gate: a small process that alone owns the port, clamps every command, and stops the robot."""
