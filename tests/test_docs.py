"""What the documents tell a reader to type works, in the order they are told to type it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENDLESS = ("leash twin", "leash serve")
BEFOREHAND = ("make ", "source ", "pip ", "git ")


def commands(page: Path) -> list[str]:
    """Lines of the page's `sh` blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def execute(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line; a command that runs until Ctrl-C gets it once it has said something."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    if not (line.startswith(ENDLESS) or "--operator browser" in line):
        return subprocess.run(shlex.split(line), cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        shlex.split(line), cwd=folder, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as run:
        said = run.stdout.readline() if run.stdout else ""
        run.send_signal(signal.SIGINT)
        rest, _ = run.communicate(timeout=20)
    return subprocess.CompletedProcess(line, 0 if run.returncode in {0, 130} else run.returncode, said + rest, "")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reader_can_type_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for line in commands(page):
        if line.startswith(BEFOREHAND):
            continue
        result = execute(line, tmp_path)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(commands(page)), re.MULTILINE):
        assert f"\n{target}:" in makefile
