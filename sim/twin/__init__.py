"""The MuJoCo twin: a Pupper behind a pseudo-terminal that speaks the real protocol."""
