"""What one check of `leash doctor` found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.markup import escape
from rich.table import Table

Level = Literal["ok", "warn", "fail"]
COLOURS: Mapping[Level, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Finding:
    """The answer of one check."""

    name: str
    level: Level
    seen: str
    """What was found, in a few words."""
    fix: str = ""
    """What to type or to do; empty only when all is well."""
    figures: Mapping[str, object] = field(default_factory=dict)
    """Numbers for programs; keys carry their unit."""


Findings = Iterator[Finding]


def table(findings: Sequence[Finding]) -> Table:
    """What a person reads: every check, and below each that found something what to do."""
    drawn = Table("check", "", "found", box=None, pad_edge=False)
    for finding in findings:
        colour = COLOURS[finding.level]
        drawn.add_row(finding.name, f"[{colour}]{finding.level}[/]", escape(finding.seen))
        if finding.fix:
            drawn.add_row("", "", f"[{colour}]fix:[/] {escape(finding.fix)}")
    return drawn


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """One entry a check, and how many there are of each level."""
    counts: dict[str, object] = {level: sum(each.level == level for each in findings) for level in COLOURS}
    checks = {each.name: {"level": each.level, "seen": each.seen, "fix": each.fix, **each.figures} for each in findings}
    return {**counts, "checks": checks}
