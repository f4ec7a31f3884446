"""The figures of a held-out evaluation as one picture: outcomes, commanded and reached speed, and what breaks it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leash_robot.launch.reporting.evaluation_table import NAMES, Results
from leash_robot.robot.errors import UsageError
from leash_robot.robot.statistics import wilson_interval
from leash_robot.sim.envs.tracking import PLANAR, TURNING
from leash_robot.sim.evaluation.figures import breaking, by_axis
from leash_robot.sim.evaluation.result import EpisodeResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUCCESS, ASTRAY, FELL = "#2f8f5b", "#e0a030", "#c8402f"
ENGINES = {"twin": "#1f4e79", "sim": "#8fb4d9", "realtime": "#7a5195"}
COLUMNS = 7
"""Axes side by side."""


def plot(title: str, results: Results, path: Path) -> None:
    """Draw into a PNG. Raises UsageError without matplotlib, or where nothing can be written."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plots need matplotlib; `pip install leash-robot[train]` brings it") from None
    names = [name for name, _ in breaking(next(iter(results.values())))]
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(16, 4.6 + 2.1 * rows), dpi=110, layout="constrained")
    halves = figure.add_gridspec(2, 1, height_ratios=[4.2, 2.1 * rows])
    top, below = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    top.suptitle(title, fontsize=13, fontweight="bold")
    wide = top.subplots(1, 3, width_ratios=[1, 1, 1])
    _outcomes(wide[0], results)
    _errors(wide[1], results)
    _reached(wide[2], results)
    below.suptitle("success in the low, middle and high third of each axis, 95 % intervals", fontsize=11)
    small = below.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    for axis, name in zip(small, names, strict=False):
        _thirds(axis, results, name)
    for axis in small[len(names) :]:
        axis.set_axis_off()
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"cannot draw into {path}: {error.strerror}; give another --out") from None


def _outcomes(axis: "Axes", results: Results) -> None:
    """How many succeeded, strayed from the command, and fell."""
    for row, (engine, some) in enumerate(results.items()):
        success, up = sum(one.success for one in some), sum(one.no_fall for one in some)
        left = 0
        for count, colour in ((success, SUCCESS), (up - success, ASTRAY), (len(some) - up, FELL)):
            axis.barh(row, count, left=left, color=colour, height=0.5)
            if count:
                axis.text(left + count / 2, row, str(count), ha="center", va="center", color="white", fontsize=12)
            left += count
        low, high = wilson_interval(success, len(some))
        axis.text(0, row - 0.33, f"{NAMES[engine]}: {success / len(some):.0%} ({low:.0%} to {high:.0%})", fontsize=10)
    axis.set_ylim(len(results) - 0.5, -0.6)
    axis.set_yticks([])
    axis.set_xlabel("draws")
    axis.set_title("follows the command · does not · falls", fontsize=10)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _errors(axis: "Axes", results: Results) -> None:
    """Both tracking errors of every draw, and the bounds of a success."""
    reach = (3 * PLANAR, 3 * TURNING)
    axis.fill_between([0.0, PLANAR], 0.0, TURNING, color=SUCCESS, alpha=0.15)
    for engine, some in results.items():
        errors = np.array([[one.speed_error, one.yaw_error] for one in some]).clip(0.0, reach)
        axis.scatter(errors[:, 0], errors[:, 1], s=22, c=ENGINES[engine], alpha=0.75, linewidths=0, label=engine)
    axis.set_xlim(0, 1.03 * reach[0])
    axis.set_ylim(0, 1.03 * reach[1])
    axis.set_xlabel("mean speed error, m/s (larger ones at the edge)")
    axis.set_ylabel("mean yaw error, rad/s")
    axis.set_title("errors; a success is inside the box", fontsize=10)
    axis.legend(frameon=False)


def _reached(axis: "Axes", results: Results) -> None:
    """Forward speed asked and reached."""
    everything: list[EpisodeResult] = [one for some in results.values() for one in some]
    ends = np.array([[min(one.command[0], one.reached[0]), max(one.command[0], one.reached[0])] for one in everything])
    low, high = float(ends.min()) - 0.03, float(ends.max()) + 0.03
    axis.fill_between(
        [low, high], [low - PLANAR, high - PLANAR], [low + PLANAR, high + PLANAR], color=SUCCESS, alpha=0.15
    )
    for engine, some in results.items():
        _crosses(axis, some, ENGINES[engine])
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_xlabel("forward speed asked, m/s")
    axis.set_ylabel("reached, m/s")
    axis.set_title("dots stayed up, crosses fell", fontsize=10)


def _crosses(axis: "Axes", results: Sequence[EpisodeResult], colour: str) -> None:
    for up, marker, width in ((True, "o", 0.0), (False, "x", 1.3)):
        points = np.array([[one.command[0], one.reached[0]] for one in results if one.no_fall == up])
        if len(points):
            axis.scatter(points[:, 0], points[:, 1], s=22, c=colour, marker=marker, alpha=0.75, linewidths=width)


def _thirds(axis: "Axes", results: Results, name: str) -> None:
    """Success by third, with its interval, engines side by side."""
    width = 0.8 / len(results)
    labels: list[str] = []
    for shift, (engine, some) in enumerate(results.items()):
        parts = by_axis(some)[name]
        places = np.arange(len(parts)) + (shift - (len(results) - 1) / 2) * width
        rates = np.array([part.rate for part in parts])
        intervals = np.array([part.interval for part in parts])
        bars = np.abs(intervals.T - rates)
        axis.bar(places, rates, 0.92 * width, color=ENGINES[engine], yerr=bars, error_kw={"lw": 1, "ecolor": "#555"})
        labels = labels or [f"{part.low:.3g}\nto {part.high:.3g}" for part in parts]
    axis.set_xticks(range(len(labels)), labels, fontsize=7)
    axis.set_ylim(0, 1.04)
    axis.set_title(name, fontsize=9)
    axis.tick_params(axis="y", labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
