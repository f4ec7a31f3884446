"""What every test shares: properties are about truth, not about how busy the machine is, and Ctrl-C means something."""

import signal

from hypothesis import settings

settings.register_profile("leash", deadline=None)
settings.load_profile("leash")

# Note: a shell starts background jobs with interrupts ignored, and so would be every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
