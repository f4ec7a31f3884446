"""The demo's report: plots of speed, takeovers, lateness and latency, and the video of the walks side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from leash_robot.launch.reporting.report import BLUE, GREEN, GREY, INK, ORANGE, HtmlReport, axes, figures_table
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.types import SOURCES, Array
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer


@dataclass
class DemoWalk:
    """One policy's walk through the same episodes."""

    name: str
    color: str
    scorers: list[EpisodeScorer] = field(default_factory=list)
    poses: list[Array] = field(default_factory=list)
    """Pose of the twin at every tick of the first episode, as its renderer takes it."""
    figures: dict[str, float | int] = field(default_factory=dict)
    round_trip: list[float] = field(default_factory=list)
    """To the policy server and back, each tick [s]; empty when it runs in the loop."""
    model_time: list[float] = field(default_factory=list)
    """What the network took of it [s]."""


@dataclass(frozen=True)
class Story:
    """Everything that the report tells."""

    summary: Mapping[str, Any]
    walks: Sequence[DemoWalk]
    demonstrations: Sequence[Episode]
    taken: Episode
    """One in which a person took over from the clone."""
    budget_ms: Mapping[str, Array]
    """Samples of each part of the latency budget."""
    video: Path
    rate: float


def write_report(path: Path, story: Story) -> None:
    """Write the page."""
    report = HtmlReport(
        "leash demo: driven, recorded, cloned, and driven by the clone",
        "A simulated Pupper v2 behind a serial line that speaks the firmware's protocol. A scripted operator drove it; "
        "a network was trained on the recordings and drove it over the same line; the operator took over now and then, "
        "and the network learned from that, too.",
    )
    report.video(
        story.video,
        "The demonstrator (left), its clone (middle), and the trained gait that comes with leash (right), all told to "
        "walk at the same speed.",
    )
    report.section("Figures")
    report.table(("figure", "value"), figures_table(story.summary))
    report.section("Following a speed", "Forward speed from the simulator's ground truth, which no policy sees.")
    report.plot(speed_plot(story), "Commanded speed, and the true speed averaged over half a second.")
    report.section("What was recorded", "The first demonstration: what the operator asked and what the joints did.")
    report.plot(
        demonstration_plot(story.demonstrations[0]), "Commands, and targets against measured angles of one leg."
    )
    report.section(
        "Taking over", "The clone drives; a press gives a person authority on the next tick, without a jump."
    )
    report.plot(
        takeover_plot(story.taken),
        "Who decided, what both wanted one joint to do, and what went out. Both proposals are recorded at every tick.",
    )
    report.section("Punctuality", "How late each 50 ms tick began, with the camera running.")
    report.plot(lateness_plot(story), "Share of ticks later than a given time, all episodes.")
    report.section("Latency budget", "Where the time of one tick goes.")
    report.plot(budget_plot(story.budget_ms), "Median (bar) and 99th percentile (line) of each part.")
    report.write(path)


def speed_plot(story: Story) -> Figure:
    """Commanded against measured forward speed, one line an episode."""
    figure, (axis,) = axes()
    command = np.array(story.walks[0].scorers[0].commands)[:, 0]
    axis.plot(np.arange(len(command)) / story.rate, command, color=INK, lw=1.5, ls="--", label="commanded")
    for walk in story.walks:
        for number, scorer in enumerate(walk.scorers):
            speed = smooth(scorer.velocity[:, 0], round(0.5 * story.rate))
            label = walk.name if number == 0 else None
            axis.plot(np.arange(len(speed)) / story.rate, speed, color=walk.color, alpha=0.7, lw=1.2, label=label)
    axis.set(xlabel="time [s]", ylabel="forward speed [m/s]")
    axis.legend(frameon=False, ncols=5)
    return figure


def demonstration_plot(episode: Episode) -> Figure:
    """The operator's command above one leg's targets and angles."""
    figure, (top, bottom) = axes(2)
    time = episode.time - episode.time[0]
    for column, name in enumerate(("vx [m/s]", "vy [m/s]", "turn [rad/s]")):
        top.plot(time, episode.wanted.command[:, column], label=name, lw=1.2)
    for joint, color in ((1, BLUE), (2, ORANGE)):
        bottom.plot(time, episode.sent.joint_pos[:, joint], color=color, lw=1, ls=":")
        bottom.plot(time, episode.joint_pos[:, joint], color=color, lw=1.2, label=episode.names[joint])
    top.set(ylabel="command")
    bottom.set(xlabel="time [s]", ylabel="angle [rad] (dotted: target)")
    top.legend(frameon=False, ncols=3)
    bottom.legend(frameon=False, ncols=2)
    return figure


def takeover_plot(episode: Episode, joint: int = 1) -> Figure:
    """Who drove, and for one joint both proposals and what went out."""
    figure, (top, bottom) = axes(2)
    time = episode.time - episode.time[0]
    drove = episode.wanted.source == SOURCES.index("human")
    for axis in (top, bottom):
        axis.fill_between(
            time, 0, 1, where=drove.tolist(), transform=axis.get_xaxis_transform(), color=ORANGE, alpha=0.15
        )
    top.step(time, episode.wanted.command[:, 0], color=INK, lw=1.2, label="forward [m/s]")
    top.step(time, episode.wanted.command[:, 2], color=GREY, lw=1.2, label="turn [rad/s]")
    top.plot(time, episode.policy.risk, color=GREEN, lw=1, label="the clone's doubt")
    bottom.plot(time, episode.policy.joint_pos[:, joint], color=BLUE, lw=1, label="the clone would")
    bottom.plot(time, episode.human.joint_pos[:, joint], color=ORANGE, lw=1, label="the person would")
    bottom.plot(time, episode.sent.joint_pos[:, joint], color=INK, lw=1.2, ls=":", label="went out")
    top.set(ylabel="decided")
    top.set_title("shaded: a person drives", loc="right", fontsize="medium")
    bottom.set(xlabel="time [s]", ylabel=f"{episode.names[joint]} [rad]")
    for axis in (top, bottom):
        axis.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 0.97))
    return figure


def lateness_plot(story: Story) -> Figure:
    """Share of ticks that began later than a given time."""
    figure, (axis,) = axes()
    for name, color, late in [
        ("recording", GREY, np.concatenate([episode.late for episode in story.demonstrations]))
    ] + [(walk.name, walk.color, np.concatenate([scorer.late for scorer in walk.scorers])) for walk in story.walks]:
        ordered = np.sort(np.maximum(late * 1e3, 1e-3))
        axis.step(ordered, 1 - np.arange(len(ordered)) / len(ordered), color=color, label=name)
    axis.set(xscale="log", yscale="log", xlabel="late by more than [ms]", ylabel="share of ticks")
    axis.legend(frameon=False)
    return figure


def budget_plot(parts: Mapping[str, Array]) -> Figure:
    """Median and 99th percentile of each part."""
    figure, (axis,) = axes(height=0.5 + 0.4 * len(parts))
    for row, samples in enumerate(parts.values()):
        p50, p99 = np.percentile(samples, [50, 99])
        axis.barh(row, p50, color=BLUE, height=0.6)
        axis.plot([p50, p99], [row, row], color=INK, lw=1.5)
        axis.text(p99, row, f"  {p50:.2g} / {p99:.2g} ms", va="center", color=INK)
    axis.set_yticks(range(len(parts)), list(parts))
    axis.invert_yaxis()
    axis.set(xlabel="ms")
    axis.margins(x=0.2)
    return figure


def smooth(values: Array, width: int) -> Array:
    """Moving average over `width` samples, as long as the input."""
    width = max(1, min(width, len(values)))
    averaged: Array = np.convolve(values, np.ones(width) / width, mode="same")
    weight: Array = np.convolve(np.ones(len(values)), np.ones(width) / width, mode="same")
    return averaged / weight
