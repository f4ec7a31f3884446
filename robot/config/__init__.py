"""Settings files: YAML 1.2 into typed structs."""
