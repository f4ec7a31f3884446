"""Taking over from a policy, and calling for help."""
