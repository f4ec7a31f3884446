"""Deploying: why it ended, and that nothing outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leash_robot.launch.commands.deploy import _ending
from leash_robot.teleop.session.handles import combined_cause

LEASH = str(Path(sys.executable).with_name("leash"))


def test_a_server_that_dies_stops_the_robot_with_its_reason(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/policy"
    with subprocess.Popen([LEASH, "serve", "trot", "--endpoint", endpoint], stderr=subprocess.DEVNULL) as server:
        command = [LEASH, "deploy", endpoint, "--robot", "twin", "--seconds", "30", "--json"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as deploy:
            assert deploy.stderr is not None
            assert any("drives" in line for line in deploy.stderr)
            time.sleep(4.0)  # the robot stands up; from then on, whenever the server dies the robot must stop
            server.send_signal(signal.SIGKILL)
            out, _ = deploy.communicate(timeout=30)
    figures = json.loads(out.splitlines()[-1])
    assert deploy.returncode == 1
    assert figures["ticks"] < 600
    assert "policy server failed" in figures["stopped"]


@pytest.mark.parametrize(
    ("gate", "trouble", "given_up", "said"),
    [
        ("", "", False, ""),
        ("", "late", False, ""),
        ("", "no answer", True, "no answer"),
        ("emergency stop", "", False, "emergency stop"),
        ("no valid command", "no answer", False, "no valid command; no answer"),
        ("asked for", "no answer", True, "no answer"),
    ],
)
def test_a_gate_that_was_quicker_does_not_hide_that_the_server_failed(
    gate: str, trouble: str, given_up: bool, said: str
) -> None:
    assert combined_cause(gate, trouble, given_up=given_up) == said


@pytest.mark.parametrize(
    ("why", "in_time", "reason"),
    [
        ("", True, ("timeout", "time limit")),
        ("the gate stopped it", True, ("fault", "the gate stopped it")),
        ("", False, ("fault", "the robot was stopped")),
    ],
)
def test_a_recorded_deployment_says_why_it_ended(why: str, reason: tuple[str, str], *, in_time: bool) -> None:
    assert _ending(why, in_time=in_time) == reason


def test_a_frozen_policy_server_does_not_outlive_the_command(tmp_path: Path) -> None:
    from leash_robot.launch.composition.policies import end

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        end(process)
        assert process.returncode in {-signal.SIGTERM, -signal.SIGKILL}, "it is gone, by whichever came first"
