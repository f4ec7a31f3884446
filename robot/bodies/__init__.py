"""Robot bodies: one package for all that is particular about one robot."""
