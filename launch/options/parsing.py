"""Reads a command line into its options; whatever is wrong with it becomes one line."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import tyro

from leash_robot.robot.errors import UsageError

T = TypeVar("T")
WIDE = "10000"
"""Columns in which no complaint is broken into lines."""


def parsed(kind: type[T], prog: str, args: Sequence[str], about: str = "") -> T:
    """The options of a command. Raises UsageError; exits after --help."""
    return _read(lambda: tyro.cli(kind, prog=prog, args=args, description=about or None), prog, args)


def subcommand(kinds: Mapping[str, Callable[..., T]], prog: str, args: Sequence[str], about: str = "") -> T:
    """The options of one of several subcommands. Raises UsageError; exits after --help."""
    read = partial(tyro.extras.subcommand_cli_from_dict, dict(kinds), prog=prog, args=args, description=about or None)
    chosen: T = _read(read, prog, args)
    return chosen


def _read(read: Callable[[], T], prog: str, args: Sequence[str]) -> T:
    if {"--help", "-h"} & set(args):
        return _helped(read)
    said = io.StringIO()
    try:
        with _wide(), contextlib.redirect_stderr(said):
            return read()
    except SystemExit:
        raise UsageError(complaint(said.getvalue(), prog)) from None


def _helped(read: Callable[[], T]) -> T:
    """Let tyro explain, without its own notation for an option that may be left out; columns stay where they are."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return read()
    finally:
        sys.stdout.write(re.sub(r"\{None\}\|(\S(?:\S| (?! |│))*)", rf"\1{' ' * len('{None}|')}", said.getvalue()))


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDE
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def complaint(said: str, prog: str) -> str:
    """One line from the box that tyro draws around what it does not understand."""
    lines = [re.sub(r"^[│|╰+] ?[─-]*(?= |$)|[│|╯+]$", "", line).strip() for line in said.splitlines()[1:]]
    text = " ".join(" ".join(lines).partition("For full helptext")[0].split())
    helps = re.findall(r"leash [a-z ]+(?= --help)", said)
    return f"{_plain(text)}; see `{helps[-1] if helps else prog} --help`"


COMPLAINTS: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"Unrecognized options: ([^ ,]+).*?Perhaps you meant: (--[\w.-]+)", "unknown {}; did you mean {}?".format),
    (r"Unrecognized options: ([^ ,]+).*?Available subcommands: ([\w, -]+)", "unknown {}; known are {}".format),
    (r"Unrecognized options: ([^ ,]+)", "unknown {}; leave it out".format),
    (r"invalid choice '(.*?)' for argument '(.*?)'\. Expected one of \((.*?),?\)", "{1} {0}: choose one of {2}".format),
    (r"Expected one of \{(.*?)\}", "say what: {}".format),
    (r"Error parsing ([\w.-]+): (.*)", lambda name, text: _unparsed(name, text)),  # noqa: PLW0108 defined below
    (r"Missing value for argument '(.*?)'", "{}: a value is missing".format),
    (r"Missing from [\w ]+: ([A-Z]\S*) (.*?)(?: \(required\))?$", "missing {}: {}".format),
)
"""What tyro says, and what to say instead."""


def _plain(text: str) -> str:
    for pattern, say in COMPLAINTS:
        if found := re.search(pattern, text):
            return say(*found.groups())
    return text


def _unparsed(name: str, text: str) -> str:
    """Which value is none of what an option takes."""
    form = re.search(rf"Argument helptext: {re.escape(name)}(?:, [\w.-]+)* ((?:None|[A-Z{{|}}, \[\].])+)(?= |$)", text)
    given = re.search(r"from \[(.*?)\]|(?:float|base 10): ('.*?')", text)
    values = re.findall(r"'([^']*)'", given[0]) if given else []
    wanted = form[1].replace("{None}|", "").strip("{} ") if form else "another value"
    return " ".join([name, *values]) + f": give {wanted}"
