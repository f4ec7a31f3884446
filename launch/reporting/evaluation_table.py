"""The figures of an evaluation as tables for people."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from rich.table import Table

from leash_robot.sim.evaluation.figures import AxisPart, breaking, by_axis, figures
from leash_robot.sim.evaluation.result import Engine, EpisodeResult

Results = Mapping[Engine, Sequence[EpisodeResult]]
NAMES = {"twin": "twin (MuJoCo, wire, gate)", "sim": "PyBullet", "realtime": "twin in real time"}
LABELS = {
    "speed_error_m_s": "speed error, m/s",
    "yaw_error_rad_s": "yaw error, rad/s",
    "speed_rmse": "speed rmse, m/s",
    "action_rate": "action rate, of the usual box",
    "action_rate_own_box": "action rate, of its own box",
    "cost_of_transport": "cost of transport",
}


def headline(title: str, results: Results) -> Table:
    """Success and means, an engine a column."""
    table = Table("figure", *(NAMES[engine] for engine in results), title=title)
    found = [figures(some) for some in results.values()]
    for key, label in (("success", "success"), ("no_fall", "no fall")):
        table.add_row(label, *(_share(one[key], one["episodes"], one[f"{key}_interval"]) for one in found))
    for key, label in LABELS.items():
        table.add_row(label, *("-" if isnan(one[key]) else f"{one[key]:.3f}" for one in found))
    return table


def _share(count: int, episodes: int, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{count} of {episodes} ({low:.0%} to {high:.0%})"


def thirds(results: Results) -> Table:
    """Success in the low, middle and high third of each axis; the axes that matter most first."""
    first = next(iter(results))
    table = Table("axis", "from", "to", *(f"{engine}, by third" for engine in results))
    cut = {engine: by_axis(some) for engine, some in results.items()}
    for name, _ in breaking(results[first]):
        parts = cut[first][name]
        cells = [" ".join(_cell(part) for part in cut[engine][name]) for engine in results]
        table.add_row(name, f"{parts[0].low:.3g}", f"{parts[-1].high:.3g}", *cells)
    return table


def _cell(part: AxisPart) -> str:
    colour = "green" if part.rate >= 0.9 else "yellow" if part.rate >= 0.6 else "red"
    return f"[{colour}]{part.rate:5.0%}[/{colour}]"


def speeds(policy: str, found: dict[str, Any]) -> Table:
    """The speeds that were tried; see `sim.evaluation.top_speed`."""
    made = Table("asked, m/s", "reached, m/s", "follow", "stay up", title=f"{policy}: {found['top_speed_m_s']:.2f} m/s")
    for row in found["tried"]:
        made.add_row(f"{row['command_m_s']:.2f}", f"{row['reached_m_s']:.3f}", str(row["success"]), str(row["no_fall"]))
    return made
