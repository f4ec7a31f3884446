"""Recorded episodes on the disk: reading, selecting, labelling, verifying and repairing them."""
