"""What the documents tell a reader to type works, in the order they are told to type it; links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.pages import blocks, commands, execute, leash_commands
from support.paths import ROOT

BIN = Path(sys.executable).parent
DOCS = ROOT / "docs"
GUIDES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*GUIDES, *sorted(DOCS.rglob("*.md"))]
GENERATED = ("cli/", "python/", "yaml.md", "recording.md")
"""Pages of the reference that exist only once the documentation is built."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@pytest.mark.slow
@pages
def test_a_reader_can_type_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for line in leash_commands(page):
        result = execute(line, tmp_path, BIN)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pages
def test_the_python_on_the_page_runs(page: Path, tmp_path: Path) -> None:
    if program := "\n".join(blocks(page, "python")):
        (tmp_path / "page.py").write_text(program)
        run = [sys.executable, "page.py"]
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
