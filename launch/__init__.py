"""The leash command; the only place that composes concrete classes."""
