"""How a person drives, records, labels and takes over."""
