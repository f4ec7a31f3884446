"""Builds the documentation into build/docs/site: the pages in docs/, and a reference that is generated from the code.

python docs/generate/build.py
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_line
import python_api
import recording
import yaml
import yaml_keys

from leash_robot.launch.cli import COMMANDS

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "docs"


def main() -> int:
    """Write pages and settings into build/docs, then render them; a broken link or reference fails."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(ROOT / "docs", BUILD / "pages", ignore=shutil.ignore_patterns("generate"))
    for path, text in generated():
        file = BUILD / "pages" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    config = BUILD / "mkdocs.yml"
    config.write_text(yaml.safe_dump(settings(), sort_keys=False))
    program = Path(sys.executable).with_name("zensical")
    return subprocess.run([program, "build", "--strict", "--clean", "--config-file", config], check=False).returncode


def generated() -> Iterator[tuple[str, str]]:
    """Every generated page: its path below the documentation, and its Markdown."""
    yield "reference/yaml.md", yaml_keys.page()
    yield "reference/recording.md", recording.page()
    yield "reference/cli/index.md", command_line.index()
    yield from ((f"reference/cli/{name}.md", text) for name, text in command_line.pages().items())
    yield from ((f"reference/python/{name}.md", text) for name, text in python_api.pages().items())


def settings() -> dict[str, Any]:
    """What mkdocs.yml says, with the generated pages in the navigation."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    (reference,) = [section["Reference"] for section in config["nav"] if "Reference" in section]
    commands = [f"reference/cli/{name}.md" for name in ["index", *COMMANDS]]
    reference += [
        {"Command line": commands},
        {"Python": [{name: f"reference/python/{name}.md"} for name in python_api.pages()]},
    ]
    return config | {"docs_dir": "pages", "site_dir": "site"}


if __name__ == "__main__":
    sys.exit(main())
