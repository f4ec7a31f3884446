"""Runs many `leash` commands quickly, each in a fork of one interpreter that has loaded what all of them need."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNNER = """
import contextlib, json, os, pathlib, signal, sys
import cv2, msgspec, numpy, rich.console, rich.progress, rich.table, safetensors, tyro, zmq
import leash_robot.benchmarks.command
from leash_robot.launch import cli
from leash_robot.launch.commands import calibrate, data, doctor, intervene, serve
from leash_robot.launch.commands.calibrate import session
from leash_robot.launch.commands.data import command
from leash_robot.launch.commands.doctor import command as _

def ran(words, folder):
    out, err = (pathlib.Path(folder) / name for name in ("out", "err"))
    if (child := os.fork()) == 0:
        signal.alarm(60)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["leash", *words]
        code = 70
        try:
            code = cli.main()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [code, out.read_text(errors="replace"), err.read_text(errors="replace")]

lines, folder = json.load(sys.stdin)
print(json.dumps([ran(words, folder) for words in lines]))
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def forked(
    lines: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> list[Ran]:
    """Run `leash` with each line of words, one after the other; outputs pass through files in the folder."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps([[list(line) for line in lines], str(folder)]), text=True,
        capture_output=True, timeout=30 + 20 * len(lines), env=dict(environment or os.environ), cwd=cwd or folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Ran(*each) for each in json.loads(done.stdout)]
