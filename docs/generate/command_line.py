"""What every command prints for `--help`: each in a fork, since such a command loads hollow packages."""

import contextlib
import io
import os
import sys

from leash_robot.benchmarks.command import COMMANDS as MEASUREMENTS
from leash_robot.launch import cli
from leash_robot.launch.cli import COMMANDS
from leash_robot.launch.commands.calibrate.command import PROCEDURES
from leash_robot.launch.commands.data.command import COMMANDS as DATA

NESTED = {
    "train": ("bc", "sac", "sac --robot twin"),
    "sim": ("show",),
    "keys": ("new",),
    "data": tuple(DATA),
    "calibrate": tuple(PROCEDURES),
    "bench": tuple(MEASUREMENTS),
}
"""Subcommands by command."""


def pages() -> dict[str, str]:
    """Markdown by the name of the command."""
    return {command: _page(command, summary) for command, summary in COMMANDS.items()}


def index() -> str:
    """The list of commands."""
    rows = [f"| [`leash {command}`]({command}.md) | {summary} |" for command, summary in COMMANDS.items()]
    return "\n".join(["# Command line\n", "| command | what it does |", "|---|---|", *rows, ""])


def _page(command: str, summary: str) -> str:
    parts = [f"# leash {command}\n", f"{summary[:1].upper()}{summary[1:]}.\n", _block(command)]
    for words in NESTED.get(command, ()):
        parts += [f"## leash {command} {words}\n", _block(f"{command} {words}")]
    return "\n".join(parts)


def _block(words: str) -> str:
    lines = (line.rstrip() for line in help_of([*words.split(), "--help"]).strip().splitlines())
    return "\n".join(["```text", *lines, "```", ""])


def help_of(words: list[str]) -> str:
    """What `leash` prints for these words."""
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        os.close(receive)
        with os.fdopen(send, "w") as out:
            out.write(_said(words))
            out.flush()
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as text:
        said = text.read()
    os.waitpid(child, 0)
    if not said:
        raise RuntimeError(f"`leash {' '.join(words)}` says nothing")
    return said


def _said(words: list[str]) -> str:
    os.environ |= {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
    sys.argv = ["leash", *words]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        cli.run(words)
    return said.getvalue()
