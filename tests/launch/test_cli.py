"""The command line as a user meets it: help, mistakes, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leash_robot.launch.cli import COMMANDS, usage
from leash_robot.launch.reporting.output import emit

LEASH = Path(sys.executable).with_name("leash")


def leash(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LEASH, *args], capture_output=True, text=True, timeout=120)


def test_bare_leash_teaches_its_commands() -> None:
    result = leash()
    assert result.returncode == 0
    assert all(name in result.stdout for name in COMMANDS)


def test_a_mistyped_command_is_one_line_with_the_choices() -> None:
    result = leash("colect")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "collect" in result.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("deploy", "trot", "--robot", "pupper"), "--port"),
        (("deploy", "trot", "--robot", "pupper", "--port", "/dev/nothing"), "/dev/nothing"),
        (("deploy", "no/such/policy.safetensors", "--robot", "sim"), "no/such/policy.safetensors"),
        (("eval", "trot", "--robot", "pupper", "--port", "/dev/nothing"), "--robot"),
        (("data", "show", "no/such/episode.mcap"), "no/such/episode.mcap"),
        (("deploy", "trot", "--robot", "sim", "--seconds", "-1"), "--seconds -1"),
        (("deploy", "trot", "--robot", "sim", "--seconds", "nan"), "--seconds nan"),
        (("deploy", "trot", "--robot", "sim", "--command", "nan", "0", "0"), "--command"),
        (("deploy", "trot", "--robot", "twin", "--port", "/dev/ttyACM0"), "--port means nothing to --robot twin"),
        (("deploy", "trot", "--robot", "pupper", "--port", "x", "--boot", "cold"), "--boot"),
        (("eval", "trot", "--robot", "sim", "--episodes", "0"), "--episodes 0"),
        (("eval", "trot", "--robot", "sim", "--seconds", "1", "--settle", "5"), "--settle 5"),
        (("bench", "loop", "--seconds", "0"), "--seconds 0"),
        (("train", "bc", "nowhere", "--out", "/proc/x/p.safetensors"), "/proc/x/p.safetensors"),
        (("train", "bc", "nowhere", "--batch", "0"), "--batch 0"),
        (("serve", "trot", "--spec", "/nope"), "/nope"),
    ],
)
def test_a_users_mistake_is_one_line_naming_it_and_no_traceback(args: tuple[str, ...], says: str) -> None:
    result = leash(*args)
    assert result.returncode != 0
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_failing_command_with_json_says_why_in_json() -> None:
    result = leash("deploy", "trot", "--robot", "pupper", "--port", "/dev/nothing", "--json")
    assert result.returncode == 2
    assert "/dev/nothing" in json.loads(result.stdout.splitlines()[-1])["error"]


def test_the_demo_deletes_nothing_that_it_did_not_write(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    result = leash("demo", "--folder", str(tmp_path))
    assert (result.returncode, thesis.read_text()) == (2, "years of work")
    assert "thesis.txt" in result.stderr


def test_a_server_does_not_delete_a_file_to_bind_there(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    result = leash("serve", "trot", "--endpoint", f"ipc://{thesis}")
    assert (result.returncode, thesis.read_text()) == (2, "years of work")


def test_usage_names_where_to_start() -> None:
    assert "demo" in usage()


def test_json_has_null_for_what_is_not_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"late_p99_ms": float("nan"), "rounds": [{"success": 1}]})
    assert json.loads(capsys.readouterr().out) == {"late_p99_ms": None, "rounds": [{"success": 1}]}
