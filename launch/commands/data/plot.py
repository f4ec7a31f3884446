"""A recording as a picture: joints, commands, who drove, and how punctual it was."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import SOURCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf", ".html")
COMMANDS = ("forward m/s", "left m/s", "turn rad/s")


def plot(episode: Episode, path: Path) -> None:
    """Draw an episode into a file of one of `KINDS`. Raises EpisodeError for another, without matplotlib, or
    where nothing can be written.
    """
    if path.suffix not in KINDS:
        raise EpisodeError(f"cannot draw into {path}; name a file that ends in {', '.join(KINDS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise EpisodeError("plots need matplotlib; `pip install leash-robot[train]` brings it") from None
    groups = [range(first, min(first + 3, len(episode.names))) for first in range(0, len(episode.names), 3)]
    drawers = (_draw_commands, _draw_sources, _draw_lateness)
    figure = Figure(figsize=(12, 2.2 * (len(groups) + len(drawers))), layout="constrained")
    axes = figure.subplots(len(groups) + len(drawers), 1, sharex=True)
    for axis, joints in zip(axes, groups, strict=False):
        _draw_joints(axis, episode, joints)
    for axis, draw in zip(axes[len(groups) :], drawers, strict=True):
        draw(axis, episode)
    axes[0].set_title(f"{episode.path.name}: {len(episode)} ticks, {episode.outcome}")
    axes[-1].set_xlabel("s")
    try:
        _save(figure, path)
    except OSError as error:
        raise EpisodeError(f"cannot draw into {path}: {error.strerror}; name a file in a folder that exists") from None


def _save(figure: "Figure", path: Path) -> None:
    if path.suffix != ".html":
        figure.savefig(path)
        return
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg")
    svg = drawing.getvalue()
    path.write_text(
        f"<!doctype html><meta charset=utf-8><title>{path.stem}</title>\n{svg[svg.index('<svg') :]}",
        encoding="utf-8",
        errors="replace",
    )


def _seconds(episode: Episode) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return episode.time - (episode.time[0] if len(episode) else 0.0)


def _draw_joints(axis: "Axes", episode: Episode, joints: range) -> None:
    """Measured angles, and what was sent, dashed."""
    for color, joint in enumerate(joints):
        axis.plot(_seconds(episode), episode.joint_pos[:, joint], f"C{color}", label=episode.names[joint])
        axis.plot(_seconds(episode), episode.sent.joint_pos[:, joint], f"C{color}--", linewidth=0.8)
    axis.set_ylabel("rad")
    axis.legend(loc="upper right", fontsize="small")


def _draw_commands(axis: "Axes", episode: Episode) -> None:
    for column, name in enumerate(COMMANDS):
        axis.plot(_seconds(episode), episode.wanted.command[:, column], label=name)
    axis.set_ylabel("command")
    axis.legend(loc="upper right", fontsize="small")


def _draw_sources(axis: "Axes", episode: Episode) -> None:
    axis.step(_seconds(episode), episode.sent.source, where="post")
    axis.set_yticks(range(len(SOURCES)), SOURCES)
    axis.set_ylim(-0.5, len(SOURCES) - 0.5)


def _draw_lateness(axis: "Axes", episode: Episode) -> None:
    axis.plot(_seconds(episode), 1e3 * episode.late, label="late")
    axis.plot(_seconds(episode), 1e3 * episode.age, label="age of joint state")
    axis.set_ylabel("ms")
    axis.legend(loc="upper right", fontsize="small")
