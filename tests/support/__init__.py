"""What tests share: the emulated firmware, servers, recordings, screens."""
