"""What every test shares: properties are about truth, not about how busy the machine is, and signals mean something."""

import signal

from hypothesis import settings

settings.register_profile("leash", deadline=None)
settings.load_profile("leash")

# Note: background jobs of a shell ignore interrupts, nohup ignores hang-ups, and what tests start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
