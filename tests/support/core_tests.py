"""Which test modules need nothing but the core: by the packages that their imports reach, read without importing."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from leash_robot.robot.host.extras import EXTRAS
from support.paths import ROOT, TESTS

PLACES = ("robot/", "teleop/", "policies/scripted/", "policies/serving/", "launch/test_core.py")
"""Folders and files of tests whose subjects belong to the core."""
EXTRA_PACKAGES = {package for extra in ("sim", "train", "calibrate", "dev") for package in EXTRAS[extra]}
SOURCES = {"leash_robot": ROOT, "support": TESTS / "support"}


def is_core_test(module: Path) -> bool:
    """Whether a test module belongs to the core: it lies in one of its places and needs no other extra."""
    relative = module.relative_to(TESTS).as_posix()
    return relative.startswith(PLACES) and not reached(module) & EXTRA_PACKAGES


def reached(module: Path) -> set[str]:
    """Names of the packages that a file imports, and that the files it imports import, at the top level or within."""
    names: set[str] = set()
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imports(file):
            names.add(name.partition(".")[0])
            waiting += source_files(name)
    return names


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Dotted names that a file imports; of `from a import b` also `a.b`, which may be a module."""
    return tuple(_imports(ast.parse(file.read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source_files(name: str) -> list[Path]:
    """The file of one of our modules; none for a package's or a library's name."""
    top, _, rest = name.partition(".")
    if top not in SOURCES or not rest:
        return []
    file = SOURCES[top].joinpath(*rest.split(".")).with_suffix(".py")
    return [file] if file.is_file() else []
