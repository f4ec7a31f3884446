"""Opens robots, policies, operators and recorders, and puts them together."""
