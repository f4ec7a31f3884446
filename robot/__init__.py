"""What every other layer agrees on, and what drives the motors; imports nothing else of ours."""
