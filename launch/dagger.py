"""`leash dagger`: rounds of driving under supervision and learning from every correction, until the policy is good."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tyro
from rich.table import Table

from launch.checked import checked
from launch.dagger_ledger import COLUMNS, Row, cells
from launch.dagger_rounds import Rounds, RoundsConfig
from launch.deploy import terminable
from launch.output import console, emit
from launch.track_pool import TrackPool
from launch.track_score import attempts
from robot.episode import load_dataset

DRAWN = 6
"""Unseen tracks that the report shows."""


@dataclass(frozen=True)
class Dagger:
    """Teach a robot to follow a line: `leash dagger --task track --operator scripted --json`.

    A person demonstrates, a policy is cloned, drives, is corrected, and learns from that, round after round. The same
    command goes on where it was interrupted.
    """

    task: Literal["track"] = "track"
    """track: follow a coloured line on the floor by the head camera."""
    operator: Literal["scripted"] = "scripted"
    """scripted: a person who knows the line, reacts late and trembles."""
    out: Path = Path("runs/track")
    """Folder for recordings, policies, the report and the state of the run."""
    run: Annotated[RoundsConfig, tyro.conf.arg(name="")] = field(default_factory=RoundsConfig)
    compare: bool = True
    """Also train on as many plain demonstrations, and score that."""
    quick: bool = False
    """A few short rounds that show how it works and prove nothing."""
    workers: int = min(2, os.cpu_count() or 1)
    """Processes that score policies."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Run all rounds, then print the table; a finished run is printed again."""
    config = checked(tyro.cli(Dagger, prog="leash dagger", args=args))
    figures = learn(config)
    if config.json:
        emit(figures)
    return 0


def learn(config: Dagger) -> dict[str, Any]:
    """Run all rounds; their rows as `rounds`, the comparison as `plain`, and the files that were written."""
    run = shortened(config.run) if config.quick else config.run
    with terminable(), contextlib.ExitStack() as stack:
        pool = stack.enter_context(TrackPool(config.workers))
        rounds = Rounds(config.out, run, pool, lambda line: console.print(line, style="dim", highlight=False))
        rows = [told(row) for row in rounds.play()]
        plain = rounds.compare() if config.compare else None
        page = reported(config, rounds, pool, rows, plain)
    console.print(table(rows, plain))
    last = rows[-1]
    return {
        "task": config.task,
        "method": run.method,
        "rounds": [msgspec.structs.asdict(row) for row in rows],
        "plain": None if plain is None else msgspec.structs.asdict(plain),
        "success": last.success,
        "human_total_s": last.human_total_s,
        "report": str(page),
        "policy": str(rounds.policy(last.round)),
    }


def shortened(run: RoundsConfig) -> RoundsConfig:
    """A run that takes a minute or two."""
    training = replace(run.training, steps=120)
    return replace(run, rounds=2, demonstrations=5, episodes=3, tracks=6, refine=60, training=training)


def told(row: Row) -> Row:
    """The same row, once a person has read it."""
    console.print(
        f"round {row.round}: {row.success:.0%} of unseen tracks ({row.success_low:.0%} to {row.success_high:.0%}), "
        f"the person drove {row.intervention_rate:.1%} of the time, {row.human_s:.0f} s",
        highlight=False,
    )
    return row


def table(rows: Sequence[Row], plain: Row | None) -> Table:
    """All rounds, for people."""
    made = Table(title="track: follow the line")
    for column in COLUMNS:
        made.add_column(column, justify="right", no_wrap=True)
    for row in (*rows, *([plain] if plain else [])):
        made.add_row(*cells(row))
    return made


def reported(config: Dagger, rounds: Rounds, pool: TrackPool, rows: Sequence[Row], plain: Row | None) -> Path:
    """Drive some unseen tracks with the first and the last policy again, and write the report; return the page."""
    from launch.dagger_report import Story, write_report

    before, after = (attempts(pool, rounds.policy(row.round), DRAWN) for row in (rows[0], rows[-1]))
    seen = load_dataset(rounds.data(rows[-1].round))[0]
    return write_report(config.out, Story(rows, plain, before, after, seen))
