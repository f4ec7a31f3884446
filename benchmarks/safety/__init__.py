"""What must hold whatever happens: stops, planned ends, old pictures, takeovers, the disk."""
