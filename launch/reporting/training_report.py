"""The report of a training: how it went, what the chosen policy does, its gait, and a video of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from msgspec.structs import replace

from leash_robot.launch.composition.training.schema import WalkTraining
from leash_robot.launch.reporting.report import BLUE, GREEN, GREY, INK, ORANGE, HtmlReport, axes, figures_table
from leash_robot.launch.reporting.video import write_video
from leash_robot.policies.cloned_policy import load
from leash_robot.policies.rl.evaluation import Evaluation, SnapshotSelector
from leash_robot.robot.cameras.image import Pixels
from leash_robot.sim.envs.tracking import PLANAR, TURNING
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.evaluation.walk_score import RecordedWalk

SHOWN = ((0.4, 0.0, 0.0), (-0.2, 0.0, 0.0), (0.0, 0.12, 0.0), (0.2, 0.0, 0.8))
"""Commands of the video, one after another: ahead, back, sideways, a curve."""
EACH = 3.0
"""How long each is shown [s]."""
FEET = ("front right", "front left", "back right", "back left")


def write_training_report(
    folder: Path,
    config: WalkTraining,
    selector: SnapshotSelector,
    policy: Path | None,
    figures: Mapping[str, Any],
    walks: Sequence[RecordedWalk],
    *,
    video: bool,
) -> Path:
    """Write `report.html` and, if wanted, `walk.mp4`; returns the page."""
    report = HtmlReport(
        "leash train sac", f"Learned in PyBullet from {_origin(config)}, seed {config.seed}. {_chosen(selector)}"
    )
    if video and policy is not None:
        path = folder / "walk.mp4"
        write_video(path, _frames(config, policy), 20)
        report.video(path, "Ahead at 0.4 m/s, back at 0.2, left at 0.12, and a curve of 0.2 m/s and 0.8 rad/s.")
    if walks:
        report.section("On fresh draws", f"A success stays up and is off by less than {PLANAR} m/s, {TURNING} rad/s.")
        report.table(("figure", "value"), figures_table(figures))
        report.plot(tracking_plot(walks), "What was asked and what was done, one point an episode.")
    if selector.evaluations:
        report.section("Learning", "Snapshots of the averaged actor on held-out draws, over updates.")
        report.plot(learning_plot(selector.evaluations), "Share of successes and of episodes without a fall; errors.")
    if walks:
        walk = max(walks, key=lambda walk: walk.command[0])
        report.section(
            "Gait", f"The last three seconds of the fastest of these episodes, asked for {walk.command[0]:.2f} m/s."
        )
        report.plot(gait_plot(walk, 20.0), "Feet on the floor, joint targets of one front leg, and speed.")
    page = folder / "report.html"
    report.write(page)
    return page


def learning_plot(rows: Sequence[Evaluation]) -> Figure:
    """Success and errors over time."""
    figure, (top, bottom) = axes(2)
    updates = [row.updates for row in rows]
    top.plot(updates, [row.figures["no_fall"] for row in rows], color=GREY, label="no fall")
    top.plot(updates, [row.success_rate for row in rows], color=BLUE, marker=".", label="success")
    bottom.plot(updates, [row.figures["speed_error"] for row in rows], color=ORANGE, label="speed error [m/s]")
    bottom.plot(updates, [row.figures["yaw_error"] for row in rows], color=GREEN, label="yaw error [rad/s]")
    bottom.plot(updates, [row.figures["action_rate"] for row in rows], color=GREY, label="target change a tick [box]")
    top.set(ylabel="share", ylim=(-0.05, 1.05))
    bottom.set(xlabel="updates", ylim=(0, None))
    for axis in (top, bottom):
        axis.legend(frameon=False, ncols=3)
    return figure


def tracking_plot(walks: Sequence[RecordedWalk]) -> Figure:
    """Asked against done, for each entry of the command."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    names = ("forward [m/s]", "left [m/s]", "turn [rad/s]")
    asked = np.array([walk.command for walk in walks])
    done = np.array([walk.velocity[20:].mean(axis=0) if len(walk.velocity) > 20 else [np.nan] * 3 for walk in walks])
    good = np.array([walk.score.success for walk in walks])
    for column, (axis, name) in enumerate(zip(figure.subplots(1, 3), names, strict=True)):
        ends = [asked[:, column].min(), asked[:, column].max()]
        axis.plot(ends, ends, color=INK, lw=1, ls="--")
        axis.scatter(asked[good, column], done[good, column], s=14, color=BLUE, label="success")
        axis.scatter(asked[~good, column], done[~good, column], s=14, color=ORANGE, label="not")
        axis.set(xlabel=f"asked, {name}", ylabel="done" if column == 0 else "")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def gait_plot(walk: RecordedWalk, rate: float) -> Figure:
    """The last three seconds: contacts, targets of a leg, speed."""
    figure, (top, middle, bottom) = axes(3, height=1.8)
    part = slice(max(0, len(walk.velocity) - round(3 * rate)), None)
    time = np.arange(len(walk.velocity))[part] / rate
    extent = (time[0], time[0] + len(time) / rate, 4, 0)
    colors = ListedColormap(["#ffffff", BLUE])
    top.imshow(
        walk.contacts[part].T, aspect="auto", interpolation="nearest", extent=extent, cmap=colors, vmin=0, vmax=1
    )
    top.set_yticks(np.arange(4) + 0.5, FEET)
    for column, (name, color) in enumerate((("abduction", GREY), ("hip", BLUE), ("knee", ORANGE))):
        middle.plot(time, walk.targets[part, 3 + column], color=color, label=name)
    middle.set(ylabel="target [rad]")
    middle.legend(frameon=False, ncols=3)
    bottom.plot(time, walk.velocity[part, 0], color=BLUE)
    bottom.axhline(walk.command[0], color=INK, lw=1, ls="--")
    bottom.set(xlabel="time [s]", ylabel="forward [m/s]")
    return figure


def _frames(config: WalkTraining, file: Path) -> Iterator[Pixels]:
    """The nominal machine, under one command after another."""
    quiet = replace(config.walk, ranges=None, pushes=None, seconds=EACH * len(SHOWN) + 1)
    env = PupperEnv(quiet, render_mode="rgb_array")
    _, make = load(file)
    policy = make()
    env.reset(seed=0)
    policy.reset()
    for command in SHOWN:
        for _ in range(round(EACH * env.body.rate)):
            env.command(np.array(command))
            env.follow(policy.act(env.seen).joint_pos)
            yield env.render()
    env.close()


def _chosen(selector: SnapshotSelector) -> str:
    """What the policy is."""
    if not selector.has_policy:
        return "No snapshot followed its commands, so there is no policy yet."
    met = "met" if selector.met else "did not meet"
    return (
        f"The training {met} its criterion. The policy below is the snapshot that did best on machines, floors and"
        " commands that training never drew; its figures are from draws that chose nothing."
    )


def _origin(config: WalkTraining) -> str:
    demos = config.demonstrations
    return f"{demos.steps} steps of {Path(demos.teacher).name}" if demos.steps else "scratch"
