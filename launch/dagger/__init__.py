"""DAgger on the line-following task."""
