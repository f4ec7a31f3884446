"""`leash calibrate report`: a recording's sent targets in PyBullet, against what the robot did, as one HTML page."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from launch.calibrate_replay import Course, before_and_after, joint_rmse
from launch.calibration_store import choose
from launch.checked import checked
from launch.output import console, emit
from robot.calibration import Calibration
from robot.episode import Episode, read_episode
from robot.errors import CalibrationError
from robot.spec import Spec, load_spec
from robot.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 20
"""A recording of fewer ticks says nothing."""


@dataclass(frozen=True)
class ReplayReport:
    """Replay a recording's sent targets with nominal motors and with this machine's: `leash calibrate report
    EPISODE.mcap --calibration calibrations/desk --out replay.html`.
    """

    episode: Annotated[Path, tyro.conf.Positional]
    """The recording."""
    calibration: Path
    """The calibration of the machine that it was recorded on: a file, or the machine's folder."""
    out: Path = Path("replay.html")
    """Where the page goes."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Replay twice, compare, and write the page."""
    config = checked(tyro.cli(ReplayReport, prog="leash calibrate report", args=args))
    spec = load_spec()
    calibration = choose(config.calibration, spec)
    episode = read_episode(config.episode)
    course = course_of(episode, spec)
    nominal, found = before_and_after(course, spec, calibration)
    figures = {
        "joint_rmse_before_rad": joint_rmse(nominal, course),
        "joint_rmse_after_rad": joint_rmse(found, course),
        "ticks": len(course.sent),
        "recorded_with": episode.start.calibration_hash,
        "calibration": calibration.hash,
    }
    figures["replay_rmse_ratio"] = joint_rmse(found, course) / joint_rmse(nominal, course)
    _write(config, calibration, episode, course, (nominal, found))
    for name, value in figures.items():
        console.print(f"{name:<24}{value}", highlight=False)
    console.print(f"written to {config.out}", highlight=False)
    if config.json:
        emit(figures)
    return 0


def course_of(episode: Episode, spec: Spec) -> Course:
    """What was told and done in a recording. Raises CalibrationError for one of another robot, or too short."""
    if (episode.names, episode.spec.rate) != (spec.names, spec.rate):
        raise CalibrationError(f"{episode.path} was recorded on {episode.spec.name}, not on {spec.name}")
    if len(episode) < FEWEST:
        raise CalibrationError(f"{episode.path} has {len(episode)} ticks; {FEWEST} at least are needed")
    return Course(episode.sent.joint_pos, episode.joint_pos, episode.age)


def _write(
    config: ReplayReport, calibration: Calibration, episode: Episode, course: Course, simulated: tuple[Array, Array]
) -> None:
    try:
        from launch.report import Report
    except ImportError:
        raise CalibrationError("plots need matplotlib; `pip install leash[train]` brings it") from None
    report = Report(
        f"Replay of {episode.path.name}",
        f"{calibration.machine}, calibration {calibration.hash}, version {calibration.version} of {calibration.date}",
    )
    report.section("Joint error", "Root mean square difference of the simulated joints to the robot's [rad].")
    rows = [
        [name, *(float(np.sqrt(np.mean((one[:, j] - course.seen[:, j]) ** 2))) for one in simulated)]
        for j, name in enumerate(load_spec().names)
    ]
    totals = [joint_rmse(one, course) for one in simulated]
    report.table(["joint", "nominal motors", "identified"], [*rows, ["all", *totals]])
    report.section("Joint by joint", "What was sent, what the robot did, and what the two simulated robots did.")
    for leg in range(4):
        report.plot(_plot(course, simulated, leg), load_spec().names[3 * leg].rpartition("_")[0].replace("_", " "))
    try:
        report.write(config.out)
    except OSError as error:
        raise CalibrationError(f"cannot write {config.out}: {error.strerror}") from None


def _plot(course: Course, simulated: tuple[Array, Array], leg: int) -> "Figure":
    from launch.report import BLUE, GREY, INK, ORANGE, axes

    spec = load_spec()
    figure, rows = axes(3, 1.7)
    seconds = np.arange(len(course.sent)) / spec.rate
    for axis, joint in zip(rows, range(3 * leg, 3 * leg + 3), strict=True):
        axis.step(seconds, course.sent[:, joint], color=GREY, linewidth=0.8, where="post", label="sent")
        axis.plot(seconds, simulated[0][:, joint], color=ORANGE, linewidth=1.0, label="nominal motors")
        axis.plot(seconds, simulated[1][:, joint], color=BLUE, linewidth=1.2, label="identified")
        axis.plot(seconds, course.seen[:, joint], color=INK, linewidth=1.2, linestyle=":", label="robot")
        axis.set_ylabel(f"{spec.names[joint].rpartition('_')[2]} rad")
    rows[0].legend(loc="upper right", fontsize="small", ncols=4)
    rows[-1].set_xlabel("s")
    return figure
