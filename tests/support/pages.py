"""Pages of the documentation: their blocks of code, and typing what they tell a reader to type."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

ENDLESS = ("leash twin", "leash serve")
BEFOREHAND = ("make ", "source ", "pip ", "git ")


def blocks(page: Path, language: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Lines of the page's `sh` blocks, without comments."""
    lines = [line.split(" #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def leash_commands(page: Path) -> list[str]:
    """Those lines that a reader types once everything is installed."""
    return [line for line in commands(page) if not line.startswith(BEFOREHAND)]


def execute(line: str, folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run one line in a folder; `programs` has `leash`. What runs until Ctrl-C gets it once it has said something."""
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    words = [str(programs / "leash"), *shlex.split(line)[1:]]
    if not (line.startswith(ENDLESS) or "--operator browser" in line):
        return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=folder, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True) as run:
        try:
            said = run.stdout.readline() if run.stdout else ""
            run.send_signal(signal.SIGINT)
            rest, _ = run.communicate(timeout=20)
        finally:
            run.kill()
    return subprocess.CompletedProcess(line, 0 if run.returncode in {0, 130} else run.returncode, said + rest, "")
