"""However a command ends, the robot is made safe and no process is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from leash_robot.sim.twin.twin import TwinProcess

LEASH = Path(sys.executable).with_name("leash")


def children(marker: str) -> list[int]:
    """Processes whose environment carries the marker, zombies aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            alive = "Z" not in entry.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            if alive and marker.encode() in entry.joinpath("environ").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


@contextlib.contextmanager
def start(marker: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A command; one that does not end by itself is killed at the end, for nobody would wait for it."""
    env = {**os.environ, "LEASH_TEST_MARKER": marker}
    pipe = subprocess.PIPE
    with subprocess.Popen([LEASH, *args], env=env, stderr=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], word: str) -> None:
    """Read the process's standard error until the word comes."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"ended without saying {word!r}")


def gone(marker: str) -> bool:
    """Whether the last process ends."""
    return soon(lambda: not children(marker))


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something becomes true within ten seconds."""
    end = monotonic() + 10
    while not condition():
        if monotonic() > end:
            return False
        sleep(0.05)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_softly_and_leaves_nothing(number: signal.Signals) -> None:
    marker = f"leash-ends-{number.name}-{os.getpid()}"
    with start(marker, "deploy", "trot", "--robot", "twin", "--json") as process:
        until(process, "drives")
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert gone(marker)


def test_kill_of_the_loop_leaves_a_gate_that_makes_safe_and_ends() -> None:
    marker = f"leash-ends-kill-{os.getpid()}"
    with TwinProcess() as twin:
        with start(marker, "deploy", "trot", "--robot", "pupper", "--port", twin.port) as process:
            until(process, "drives")
            process.kill()
        assert gone(marker)
        assert soon(lambda: bool(abs(twin.state().qvel[6:]).max() < 0.1)), "the legs come to rest"
        assert twin.truth().height < 0.1, "and nothing holds the robot up"


def test_an_exception_in_the_policy_makes_the_robot_safe() -> None:
    code = """
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.robot.fake import NoLog
from leash_robot.robot.loop import run

class Broken:
    def reset(self): pass
    def act(self, obs): raise ZeroDivisionError("a defect in a policy")

with open_robot(RobotOptions(robot="twin")) as opened:
    opened.robot.reset()
    run(opened.robot, Broken(), NoLog())
"""
    marker = f"leash-ends-raise-{os.getpid()}"
    env = {**os.environ, "LEASH_TEST_MARKER": marker}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert "a defect in a policy" in result.stderr
    assert gone(marker)
