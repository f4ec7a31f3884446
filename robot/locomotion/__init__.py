"""How a legged robot follows a body velocity: the command, what it measures of its motion, and its reward."""
