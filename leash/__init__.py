"""The `leash` command."""
