"""What every test shares: properties are about truth, not about how busy the machine is, and signals mean something."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from leash_robot.robot.safety import client as gate_link
from support.core_tests import is_core_test

settings.register_profile("leash", deadline=None)
settings.load_profile("leash")

# Note: background jobs of a shell ignore interrupts, nohup ignores hang-ups, and what tests start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--core` select the tests that need only the core and the `teleop` and `test` extras."""
    parser.addoption("--core", action="store_true", help="only the tests of what runs beside the motors")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore a test module outside the core, where only the core is tested."""
    is_module = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_module and config.getoption("--core") and not is_core_test(collection_path) else None


@pytest.fixture(autouse=True)
def no_gate_left() -> Iterator[None]:
    """End the gates that wait for a port that will not return."""
    yield
    for gate in gate_link.WAITING:
        gate.kill()
        gate.wait()
    gate_link.WAITING.clear()
