"""Input devices: keyboard, terminal, gamepads."""
