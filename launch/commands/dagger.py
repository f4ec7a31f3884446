"""`leash dagger`: rounds of driving under supervision and learning from every correction, until the policy is good."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tyro

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.demonstrators import PersonDemonstrator, ScriptedDemonstrator
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.tracks import TrackPool
from leash_robot.launch.options.checked import Count, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.dagger_table import table
from leash_robot.launch.reporting.output import console, emit
from leash_robot.policies.imitation.demonstrator import Demonstrator
from leash_robot.policies.imitation.rounds import Rounds, RoundsConfig
from leash_robot.policies.imitation.run_log import RoundResult
from leash_robot.policies.imitation.score import attempts
from leash_robot.robot.dataset.episode import load_dataset
from leash_robot.robot.errors import UsageError
from leash_robot.robot.host.stopping import STOPPED
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Policy

SPARE = min(2, os.cpu_count() or 1)
DRAWN = 6
"""Unseen tracks that the report shows."""


@dataclass(frozen=True)
class Dagger:
    """Teach a robot to follow a line: `leash dagger --task track --operator browser --quick`.

    A person demonstrates, a policy is cloned, drives, is corrected, and learns from that, round after round. With
    `--operator browser`, `keyboard` or `gamepad` the person is you: a track begins when you hold to drive or press
    START, DISCARD takes the last one back, and QUIT or Ctrl-C ends. The same command goes on where it was interrupted.
    """

    task: Literal["track"] = "track"
    """track: follow a coloured line on the floor by the head camera."""
    who: Annotated[OperatorOptions, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: OperatorOptions(("scripted",))
    )
    gait: PolicyName = "trot"
    """What walks below: `trot`, or the file of a policy that follows commands."""
    out: Path = Path("runs/track")
    """Folder for recordings, policies, the report and the state of the run."""
    run: Annotated[RoundsConfig, tyro.conf.arg(name="")] = field(default_factory=RoundsConfig)
    compare: bool = True
    """Also train on as many plain demonstrations of the scripted operator, and score that."""
    quick: bool = False
    """A few short rounds that show how it works and prove nothing."""
    workers: Count = SPARE
    """Processes that score policies."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Run all rounds, then print the table; a finished run is printed again."""
    config = checked(parsed(Dagger, "leash dagger", args))
    figures = learn(config)
    if config.json:
        emit(figures)
    return 0 if figures["finished"] or config.who.live else STOPPED


def learn(config: Dagger) -> dict[str, Any]:
    """Run all rounds; their rows as `rounds`, the comparison as `plain`, and the files that were written.

    A person may end earlier, and so may Ctrl-C; then there is only what is finished. Raises UsageError for options
    that contradict.
    """
    refuse(config)
    run = shortened(config.run) if config.quick else config.run
    figures: dict[str, Any] = {"task": config.task, "method": run.method, "plain": None, "finished": False}
    rows: list[RoundResult] = []
    with terminable():
        try:
            return figures | _played(config, run, rows)
        except KeyboardInterrupt:
            console.print(f"ended in round {len(rows)}; the same command goes on, from {config.out}", highlight=False)
            return figures | {"rounds": [msgspec.structs.asdict(row) for row in rows]}


def _played(config: Dagger, run: RoundsConfig, rows: list[RoundResult]) -> dict[str, Any]:
    """Run all rounds, whose rows are added to `rows`; the figures. Raises KeyboardInterrupt."""
    with contextlib.ExitStack() as stack:
        demonstrator = stack.enter_context(opened(config))
        pool = stack.enter_context(TrackPool(config.workers, config.gait))
        rounds = Rounds(config.out, run, pool, demonstrator, note)
        rows.extend(announced(row) for row in rounds.play())
        plain = rounds.compare() if config.compare and not config.who.live else None
        with demonstrator.working("writing the report"):
            page = reported(config, rounds, pool, rows, plain)
    console.print(table(rows, plain))
    last = rows[-1]
    return {
        "rounds": [msgspec.structs.asdict(row) for row in rows],
        "plain": None if plain is None else msgspec.structs.asdict(plain),
        "success": last.success,
        "human_total_s": last.human_total_s,
        "report": str(page),
        "policy": str(rounds.policy(last.round)),
        "finished": True,
    }


def refuse(config: Dagger) -> None:
    """Raise UsageError for options that contradict one another."""
    who, plain = config.who, OperatorOptions()
    if who.live and config.run.method == "classic":
        raise UsageError("--method classic needs an expert who answers at every tick; give hg or thrifty to a person")
    if who.live and "scripted" in who.operator:
        raise UsageError("--operator scripted teaches alone; leave it out, or the others")
    if (who.reaction, who.noise) != (plain.reaction, plain.noise):
        raise UsageError("--reaction and --noise mean nothing to dagger, whose script reacts and trembles as it does")


@contextlib.contextmanager
def opened(config: Dagger) -> Iterator[Demonstrator]:
    """The demonstrator, above the gait of the options. Raises PolicyError and OperatorError."""
    from leash_robot.policies.registry import load_gait

    manifest, make = load_gait(config.gait, load_spec())
    options: Mapping[str, str] = {"gait": manifest.weights} if manifest.weights else {}

    def gait(spec: Spec) -> Policy:
        return make()

    if not config.who.live:
        yield ScriptedDemonstrator(note, gait, options)
        return
    with PersonDemonstrator(config.who, config.out, gait, options) as person:
        yield person


def note(line: str) -> None:
    """Print a line about the progress."""
    console.print(line, style="dim", highlight=False)


def shortened(run: RoundsConfig) -> RoundsConfig:
    """A run that takes a minute or two."""
    training = replace(run.training, steps=120)
    return replace(run, rounds=2, demonstrations=5, episodes=3, tracks=6, refine=60, training=training)


def announced(row: RoundResult) -> RoundResult:
    """The same result, printed in one line."""
    console.print(
        f"round {row.round}: {row.success:.0%} of unseen tracks ({row.success_low:.0%} to {row.success_high:.0%}), "
        f"the person drove {row.intervention_rate:.1%} of the time, {row.human_s:.0f} s",
        highlight=False,
    )
    return row


def reported(
    config: Dagger, rounds: Rounds, pool: TrackPool, rows: Sequence[RoundResult], plain: RoundResult | None
) -> Path:
    """Drive some unseen tracks with the first and the last policy again, and write the report; return the page."""
    from leash_robot.launch.reporting.dagger_report import DaggerReport, write_report

    before, after = (attempts(pool, rounds.policy(row.round), DRAWN) for row in (rows[0], rows[-1]))
    seen = load_dataset(rounds.data(rows[-1].round))[0]
    return write_report(config.out, DaggerReport(rows, plain, before, after, seen))
