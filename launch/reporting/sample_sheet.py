"""A contact sheet of randomization samples: each robot on its floor, and where each axis lies between its ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
INK, FAINT, MARK = "#333333", "#d8d8d8", "#c8402f"
Row = dict[str, float]


def sheet(title: str, pictures: Sequence[Pixels], rows: Sequence[Row], path: Path) -> None:
    """Draw into a PNG. Raises UsageError without matplotlib, or where nothing can be written."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib; `pip install leash-robot[train]` brings it") from None
    columns = min(COLUMNS, len(pictures))
    lines = -(-len(pictures) // columns)
    tall = 0.16 * len(rows[0]) + 0.1
    figure = Figure(figsize=(3.9 * columns, (2.8 + tall) * lines + 0.4), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    cells = figure.subplots(2 * lines, columns, squeeze=False, height_ratios=[2.8, tall] * lines)
    for axis in cells.ravel():
        axis.set_axis_off()
    ends = {name: (min(row[name] for row in rows), max(row[name] for row in rows)) for name in rows[0]}
    for number, (picture, row) in enumerate(zip(pictures, rows, strict=True)):
        line, column = divmod(number, columns)
        cells[2 * line, column].imshow(picture)
        cells[2 * line, column].set_title(f"draw {number}", fontsize=9, loc="left", pad=3)
        _bars(cells[2 * line + 1, column], row, ends)
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"cannot draw into {path}: {error.strerror}; give another --out") from None


def _bars(axis: "Axes", row: Row, ends: dict[str, tuple[float, float]]) -> None:
    """A line for each axis from the lowest to the highest value of the sheet, with this draw's mark on it."""
    for place, (name, value) in enumerate(row.items()):
        low, high = ends[name]
        share = 0.5 if high == low else (value - low) / (high - low)
        axis.plot([0.5, 0.86], [place, place], color=FAINT, linewidth=2.2, solid_capstyle="round")
        axis.plot(0.5 + 0.36 * share, place, "o", color=MARK, markersize=3.6)
        axis.text(0.47, place, name, ha="right", va="center", fontsize=7, color=INK)
        axis.text(0.9, place, f"{value:.3g}", ha="left", va="center", fontsize=7, color=INK)
    axis.set_xlim(0, 1.05)
    axis.set_ylim(len(row) - 0.4, -0.6)
