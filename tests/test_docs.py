"""What the documents tell a reader to type works, in the order they are told to type it; links lead somewhere."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.paths import ROOT

BIN = Path(sys.executable).parent
DOCS = ROOT / "docs"
GUIDES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*GUIDES, *sorted(DOCS.rglob("*.md"))]
ENDLESS = ("leash twin", "leash serve")
BEFOREHAND = ("make ", "source ", "pip ", "git ")
GENERATED = ("cli/", "python/", "yaml.md", "recording.md")
"""Pages of the reference that exist only once the documentation is built."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Lines of the page's `sh` blocks, without comments."""
    lines = [line.split(" #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
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
        try:
            said = run.stdout.readline() if run.stdout else ""
            run.send_signal(signal.SIGINT)
            rest, _ = run.communicate(timeout=20)
        finally:
            run.kill()
    return subprocess.CompletedProcess(line, 0 if run.returncode in {0, 130} else run.returncode, said + rest, "")


@pytest.mark.slow
@pages
def test_a_reader_can_type_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for line in commands(page):
        if line.startswith(BEFOREHAND):
            continue
        result = execute(line, tmp_path)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pages
def test_the_python_on_the_page_runs(page: Path, tmp_path: Path) -> None:
    if program := "\n".join(blocks(page, "python")):
        run = [sys.executable, "-c", program]
        result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert result.returncode == 0, result.stderr


@pages
def test_the_yaml_on_the_page_is_yaml(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


@pages
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    targets = [target for target in targets if not (page.parent.name == "reference" and target.startswith(GENERATED))]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pages
def test_links_to_a_heading_name_one(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        file = page.parent / target if target else page
        assert heading in headings(file), f"{target}#{heading}"


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}


@pages
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([\w-]+)", "\n".join(commands(page)), re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [str(page) for page in DOCS.rglob("*.md") if str(page.relative_to(DOCS)) not in navigation] == []


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning() -> None:
    build = [sys.executable, str(DOCS / "generate" / "build.py")]
    result = subprocess.run(build, capture_output=True, text=True, timeout=500, check=False)
    said = result.stdout + result.stderr
    assert (result.returncode, "Warning" in said) == (0, False), said
    site = ROOT / "build" / "docs" / "site"
    for page in ("index.html", "reference/yaml/index.html", "reference/cli/deploy/index.html", "search.json"):
        assert (site / page).is_file()
