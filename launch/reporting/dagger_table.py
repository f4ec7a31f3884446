"""The table of a DAgger run, for people: one line a round."""

from collections.abc import Sequence

from rich.table import Table

from leash_robot.policies.imitation.run_log import RoundResult

COLUMNS = ("round", "success", "interval", "progress", "driven", "switches/min", "person s", "in all s", "ticks")


def cells(result: RoundResult) -> tuple[str, ...]:
    """A line of the table."""
    return (
        "plain" if result.method == "plain" else str(result.round),
        f"{result.success:.0%}",
        f"{result.success_low:.0%} to {result.success_high:.0%}",
        f"{result.progress:.0%}",
        f"{result.intervention_rate:.1%}",
        f"{result.switches_per_min:.1f}",
        f"{result.human_s:.0f}",
        f"{result.human_total_s:.0f}",
        str(result.ticks),
    )


def table(results: Sequence[RoundResult], plain: RoundResult | None) -> Table:
    """All rounds, and the comparison with plain demonstrations."""
    made = Table(title="track: follow the line")
    for column in COLUMNS:
        made.add_column(column, justify="right", no_wrap=True)
    for result in (*results, *([plain] if plain else [])):
        made.add_row(*cells(result))
    return made
