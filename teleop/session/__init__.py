"""A recording session: episodes, outcomes, notes, takeovers."""
