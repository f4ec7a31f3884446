"""Messages between a robot and a policy server."""
