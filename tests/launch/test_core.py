"""What the core can do without torch and without a simulator: drive, record, look at what was recorded."""

import json
import subprocess
import sys
from pathlib import Path

from leash_robot.launch.cli import COMMANDS
from support.firmware import Firmware
from support.forked import forked

LEASH = str(Path(sys.executable).with_name("leash"))


def leash(*args: str) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([LEASH, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_explains_itself(tmp_path: Path) -> None:
    for command, ran in zip(COMMANDS, forked([[command, "--help"] for command in COMMANDS], tmp_path), strict=True):
        assert (ran.code, ran.err) == (0, ""), command


def test_a_scripted_gait_drives_a_robot_behind_a_serial_port(tmp_path: Path) -> None:
    with Firmware(tmp_path) as robot:
        port = ("--robot", "pupper", "--port", str(robot.path))
        said = leash("deploy", "trot", *port, "--command", "0.2", "0", "0", "--seconds", "2", "--json")
    figures = json.loads(said.splitlines()[-1])
    assert figures["ticks"] == 40
    assert len(robot.sent("pos")) >= 40


def test_a_recorded_session_is_listed_and_verified(tmp_path: Path) -> None:
    with Firmware(tmp_path) as robot:
        port = ("--robot", "pupper", "--port", str(robot.path))
        leash("collect", str(tmp_path / "data"), *port, "--operator", "scripted", "--episodes", "1", "--seconds", "3")
    assert "episode_000000" in leash("data", "list", str(tmp_path / "data"), "--json")
    leash("data", "verify", str(tmp_path / "data"))
