"""The report of a DAgger run: how success grew, what it cost the person, what the robot sees and where it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from leash_robot.launch.reporting.dagger_table import COLUMNS, cells
from leash_robot.launch.reporting.report import BLUE, GREY, INK, ORANGE, HtmlReport
from leash_robot.policies.imitation.run_log import RoundResult
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.dataset.episode import Episode
from leash_robot.sim.envs.line_track import draw_track, from_above
from leash_robot.sim.envs.track_robot import TrackResult


@dataclass(frozen=True)
class DaggerReport:
    """Everything that the report tells."""

    rows: Sequence[RoundResult]
    plain: RoundResult | None
    before: Sequence[TrackResult]
    """How the clone of the demonstrations drove some unseen tracks."""
    after: Sequence[TrackResult]
    """How the last policy drove the same ones."""
    seen: Episode
    """A recording whose frames are shown."""


def write_report(folder: Path, shown: DaggerReport) -> Path:
    """Write `rounds.png` and `report.html` into the folder; return the page."""
    drawn = rounds_plot(shown.rows, shown.plain)
    drawn.savefig(folder / "rounds.png", dpi=110, bbox_inches="tight")
    report = HtmlReport(
        "leash dagger: following a line by camera",
        "A person demonstrated, a network was cloned from that, drove, was corrected, and learned from the "
        "corrections. Success is completion of unseen tracks without help.",
    )
    report.plot(drawn, "Success on unseen tracks with 95 % Wilson intervals, and what each round asked of the person.")
    report.table(COLUMNS, [cells(row) for row in (*shown.rows, *([shown.plain] if shown.plain else []))])
    report.section("Where it went", "Unseen tracks: the clone of the demonstrations, and the policy of the last round.")
    report.plot(paths_plot(shown.before, shown.after), "Orange: the clone. Blue: the last round.")
    report.section("What it sees", "Frames of the head camera under supervision.")
    report.plot(frames_plot(shown.seen), f"{shown.seen.path.parent.name}/{shown.seen.path.name}")
    page = folder / "report.html"
    report.write(page)
    return page


def rounds_plot(rows: Sequence[RoundResult], plain: RoundResult | None) -> Figure:
    """Success by the person's time, and the person's part by round."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for each in (left, right):
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
    spent = [row.human_total_s / 60 for row in rows]
    left.errorbar(spent, [row.success for row in rows], _bars(rows), color=BLUE, marker="o", capsize=3, label="DAgger")
    if plain is not None:
        left.errorbar(
            [plain.human_total_s / 60], [plain.success], _bars([plain]), color=ORANGE, marker="s", capsize=3,
            label="demonstrations only",
        )  # fmt: skip
    left.set(xlabel="person's time [min]", ylabel="unseen tracks completed", ylim=(0, 1.03))
    left.legend(frameon=False, loc="lower right")
    later = [row for row in rows if row.round > 0]
    right.bar([row.round for row in later], [row.human_s for row in later], color=BLUE, width=0.6)
    right.set(xlabel="round", ylabel="corrections [s]", xticks=[row.round for row in later])
    share = right.twinx()
    share.plot([row.round for row in later], [100 * row.intervention_rate for row in later], color=INK, marker="o")
    share.set(ylabel="person drove [% of the time]")
    share.set_ylim(bottom=0)
    share.spines[["top"]].set_visible(False)
    return figure


def paths_plot(before: Sequence[TrackResult], after: Sequence[TrackResult]) -> Figure:
    """Both policies' ways over some tracks, from above."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    for axis, one, other in zip(figure.subplots(2, 3).flat, before, after, strict=False):
        drives = ((one.path, (232, 112, 42)), (other.path, (47, 111, 222)))
        axis.imshow(from_above(draw_track(one.seed), *drives))
        axis.set_title(f"{one.verdict} → {other.verdict}", fontsize=9, color=GREY)
        axis.set_axis_off()
    return figure


def frames_plot(episode: Episode, rows: int = 2, columns: int = 4) -> Figure:
    """Frames spread over a recording."""
    frames = list(episode.frames("head"))
    chosen = np.linspace(0, len(frames) - 1, rows * columns).astype(int)
    figure = Figure(figsize=(9, 9 * rows / columns * 0.78), layout="constrained")
    for axis, index in zip(figure.subplots(rows, columns).flat, chosen, strict=True):
        axis.imshow(_enlarged(frames[index].rgb))
        axis.set_axis_off()
    return figure


def _enlarged(picture: Pixels) -> Pixels:
    return np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), np.uint8)


def _bars(rows: Sequence[RoundResult]) -> list[list[float]]:
    """Lengths of the error bars below and above."""
    return [[row.success - row.success_low for row in rows], [row.success_high - row.success for row in rows]]
