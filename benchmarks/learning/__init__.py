"""Learning, beside the peers."""
