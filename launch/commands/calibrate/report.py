"""`leash calibrate report`: a recording's sent targets in PyBullet, against what the robot did, as one HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from leash_robot.calibration.legs import leg_name
from leash_robot.calibration.store import choose
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.evaluation.replay import (
    MeasuredMotion,
    RecordedMotion,
    Replays,
    before_and_after,
    joint_rmse,
    tilt_rmse,
    turn_rmse,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from leash_robot.launch.reporting.report import HtmlReport

FEWEST = 20
"""A recording of fewer ticks says nothing."""
DRAWN = 6.0
"""Of a longer recording the middle is drawn [s]."""


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
    config = checked(parsed(ReplayReport, "leash calibrate report", args))
    spec = load_spec()
    calibration = choose(config.calibration, spec)
    episode = read_episode(config.episode)
    recorded = recorded_motion(episode, spec)
    nominal, found = before_and_after(recorded, spec, calibration)
    figures = {
        **_errors(recorded, (nominal, found)),
        "ticks": len(recorded.sent),
        "recorded_with": episode.start.calibration_hash,
        "calibration": calibration.hash,
    }
    _write(config, calibration, episode, recorded, (nominal, found))
    for name, value in figures.items():
        console.print(f"{name:<24}{value:.4g}" if isinstance(value, float) else f"{name:<24}{value}", highlight=False)
    console.print(f"written to {config.out}", highlight=False)
    if config.json:
        emit(figures)
    return 0


def _errors(recorded: RecordedMotion, simulated: Replays) -> dict[str, object]:
    """Root mean square errors before and after; those of the body only where an IMU reported."""
    made: dict[str, object] = {}
    for name, error in {
        "joint_rmse_{}_rad": joint_rmse,
        "tilt_rmse_{}_deg": tilt_rmse,
        "turn_rmse_{}": turn_rmse,
    }.items():
        before, after = (error(one, recorded) for one in simulated)
        if np.isfinite(before):
            made |= {name.format("before"): before, name.format("after"): after}
    return made | {"replay_rmse_ratio": joint_rmse(simulated[1], recorded) / joint_rmse(simulated[0], recorded)}


def recorded_motion(episode: Episode, spec: Spec) -> RecordedMotion:
    """What was told and done in a recording. Raises CalibrationError for one of another robot, or too short."""
    if (episode.names, episode.spec.rate) != (spec.names, spec.rate):
        raise CalibrationError(f"{episode.path} was recorded on {episode.spec.name}, not on {spec.name}")
    if len(episode) < FEWEST:
        raise CalibrationError(f"{episode.path} has {len(episode)} ticks; {FEWEST} at least are needed")
    return RecordedMotion(episode.sent.joint_pos, MeasuredMotion(episode.joint_pos, episode.gravity, episode.gyro))


def _write(
    config: ReplayReport,
    calibration: Calibration,
    episode: Episode,
    recorded: RecordedMotion,
    simulated: Replays,
) -> None:
    try:
        from leash_robot.launch.reporting.report import HtmlReport
    except ImportError:
        raise CalibrationError("plots need matplotlib; `pip install leash-robot[train]` brings it") from None
    report = HtmlReport(
        f"Replay of {episode.path.name}",
        f"{calibration.machine}, calibration {calibration.hash}, version {calibration.version} of {calibration.date}",
    )
    report.section("Result", _result(episode, calibration, recorded, simulated))
    _tables(report, recorded, simulated)
    shown = excerpt(len(recorded.sent), load_spec().rate)
    report.section(
        "Joint by joint", f"What was sent, what the robot did, and what both simulated robots did{_of(shown)}."
    )
    for leg in range(4):
        name = leg_name(load_spec(), leg).replace("_", " ")
        report.plot(_plot(recorded, simulated, leg, shown), f"The {name} leg.")
    try:
        report.write(config.out)
    except OSError as error:
        raise CalibrationError(f"cannot write {config.out}: {error.strerror}") from None


def excerpt(ticks: int, rate: float) -> slice:
    """The ticks that are drawn: all of a short recording, the middle of a long one."""
    shown = min(ticks, round(DRAWN * rate))
    begin = (ticks - shown) // 2
    return slice(begin, begin + shown)


def _of(shown: slice) -> str:
    return f", from tick {shown.start} on" if shown.start else ""


def _result(
    episode: Episode,
    calibration: Calibration,
    recorded: RecordedMotion,
    simulated: Replays,
) -> str:
    """The outcome in a few sentences, and whether the recording is this calibration's."""
    before, after = (joint_rmse(one, recorded) for one in simulated)
    seconds = len(recorded.sent) / load_spec().rate
    recorded_with = episode.start.calibration_hash
    same = recorded_with == calibration.hash
    told = "the same calibration" if same else f"another calibration, {recorded_with}"
    return (
        f"Told what the robot was told for {seconds:.1f} s, the simulated joints are {before:.3f} rad off with nominal "
        f"motors and {after:.3f} rad with those identified: {after / before:.2f} of it. The recording was made with "
        f"{told}."
    )


HEADER = ("", "nominal motors", "identified", "identified / nominal")


def _tables(report: "HtmlReport", recorded: RecordedMotion, simulated: Replays) -> None:
    """Body and joints, with how much the error shrank."""
    report.section("Body", "Root mean square difference of the simulated body to the robot's, where an IMU reported.")
    rows = [["tilt, deg", *(tilt_rmse(one, recorded) for one in simulated)]]
    rows.append(["rates, rad/s", *(turn_rmse(one, recorded) for one in simulated)])
    report.table(HEADER, [_with_ratio(row) for row in rows])
    report.section("Joints", "Root mean square difference of the simulated joints to the robot's, in rad.")
    rows = [["all joints", *(joint_rmse(one, recorded) for one in simulated)]]
    for joint, name in enumerate(load_spec().names):
        misses = [one.joint_pos[:, joint] - recorded.seen.joint_pos[:, joint] for one in simulated]
        rows.append([name.replace("_", " "), *(float(np.sqrt(np.nanmean(miss**2))) for miss in misses)])
    report.table(HEADER, [_with_ratio(row) for row in rows])


def _with_ratio(row: Sequence[object]) -> list[object]:
    name, before, after = row
    if not (isinstance(before, float) and isinstance(after, float) and np.isfinite([before, after]).all()):
        return [name, "not measured", "not measured", ""]
    return [name, before, after, f"{after / before:.2f}" if before else ""]


def _plot(recorded: RecordedMotion, simulated: Replays, leg: int, shown: slice) -> "Figure":
    from leash_robot.launch.reporting.report import BLUE, GREY, INK, ORANGE, axes

    spec = load_spec()
    figure, rows = axes(3, 1.7)
    seconds = np.arange(len(recorded.sent))[shown] / spec.rate
    for axis, joint in zip(rows, range(3 * leg, 3 * leg + 3), strict=True):
        axis.step(seconds, recorded.sent[shown, joint], color=GREY, linewidth=0.8, where="post", label="sent")
        axis.plot(seconds, simulated[0].joint_pos[shown, joint], color=ORANGE, linewidth=1.0, label="nominal motors")
        axis.plot(seconds, simulated[1].joint_pos[shown, joint], color=BLUE, linewidth=1.2, label="identified")
        axis.plot(
            seconds, recorded.seen.joint_pos[shown, joint], color=INK, linewidth=1.2, linestyle=":", label="robot"
        )
        axis.set_ylabel(f"{spec.names[joint].rpartition('_')[2]} [rad]")
        axis.margins(x=0)
    rows[0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", ncols=4, frameon=False)
    figure.suptitle(leg_name(spec, leg).replace("_", " "), x=0.99, horizontalalignment="right", fontsize="medium")
    rows[-1].set_xlabel("time [s]")
    return figure
