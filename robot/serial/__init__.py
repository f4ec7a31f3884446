"""Serial ports: exclusive, non-blocking, and found again after they were unplugged."""
