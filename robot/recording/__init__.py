"""Recording: the loop's end, and the process that writes episodes."""
