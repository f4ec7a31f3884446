"""The MCAP file of one episode: its records, schema, writing and scanning."""
