"""What every test shares: properties are about truth, not about how busy the machine is, and signals mean something."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from leash_robot.robot.safety import client as gate_link

settings.register_profile("leash", deadline=None)
settings.load_profile("leash")

# Note: background jobs of a shell ignore interrupts, nohup ignores hang-ups, and what tests start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_gate_left() -> Iterator[None]:
    """End the gates that wait for a port that will not return."""
    yield
    for gate in gate_link.WAITING:
        gate.kill()
        gate.wait()
    gate_link.WAITING.clear()
