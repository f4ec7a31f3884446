"""`leash calibrate latency`: from a command to what is seen of it, as a budget; the motors are found along the way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from rich.table import Table

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.sway import film_sway, time_camera
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.frame_log import Film, filming
from leash_robot.calibration.joints.procedure import Found
from leash_robot.calibration.latency import Ways, ways
from leash_robot.calibration.motors.identification import calibrate_motors
from leash_robot.calibration.setup import Sitting
from leash_robot.launch.calibration.camera_file import kept_eye, with_timing
from leash_robot.launch.commands.calibrate.motors import READY
from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policy_trips import policy_trips
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import UsageError
from leash_robot.robot.types import Array

ROWS = {
    "round_trip": "command to the state that shows its motion",
    "command_to_motion": "  of it, command to motion",
    "telemetry_delay": "  of it, motion to its state",
    "telemetry_jitter": "a state later than the soonest",
    "state_age": "state's age when the next command is made",
    "camera_age": "picture's age when the next command is made",
    "camera_behind_state": "picture's light before its own time, a state's delay less",
    "camera_rolling": "first row's light to the last row's",
    "policy_trip": "question to the policy's answer",
}
SWAY = """Then stand the board upright 40 to 50 cm before the robot; it will stand up and sway before it for 7 s."""


@dataclass(frozen=True)
class CalibrateLatency(MachineOptions):
    """Measure every delay from a command to what is seen of it, and print them as a budget:
    `leash calibrate latency --robot twin`.
    """

    camera: str = ""
    """A camera as NAME=SOURCE, such as head=/dev/video0, or `on` for the twin's own: how old its pictures are."""
    board: bool = False
    """The printed board stands before that camera: also time its exposure, by swaying before it."""
    square_mm: float = 28.0
    """Side of a square of the board, as measured on the print."""
    camera_latency_ms: float | None = None
    """From the light to a picture's own time, where it is known from elsewhere (a filmed clock): with --board, this
    tells the way to the motors from the way back."""
    policy: str = ""
    """A policy (`trot`, a file, a server's endpoint) to ask a hundred times."""


def budget(options: CalibrateLatency, sitting: Sitting) -> Found:
    """Measure, and print the table. Raises CalibrationError."""
    film = Film()
    found, figures = calibrate_motors(replace(sitting, open=filming(sitting.open, film)))
    for name, ages in film.ages.items():
        figures |= _percentiles("camera_age", 1e3 * np.array(ages))
        sitting.say(f"the camera {name} was {figures['camera_age_p50_ms']:.0f} ms behind")
    if options.board:
        found, more = _timed(options, replace(sitting, given=found))
        figures |= more
    if options.policy:
        plan = load_plan(options.robot)
        figures |= _percentiles("policy_trip", 1e3 * policy_trips(options.policy, sitting.spec, plan, film.ticks))
    figures = {name: value for name, value in figures.items() if np.isfinite(value)}
    console.print(_table(figures))
    return msgspec.structs.replace(found, residuals=found.residuals | figures), figures


def _timed(options: CalibrateLatency, sitting: Sitting) -> Found:
    """Sway before the board. Raises CalibrationError."""
    name = "head" if options.camera == "on" else options.camera.partition("=")[0]
    lens, mount = kept_eye(sitting.given, name, nominal=options.robot == "twin")
    seen = film_sway(sitting, name)
    timing = time_camera(seen, sitting, Finder(Board(square=options.square_mm / 1e3)), lens, mount)
    figures = {
        "camera_behind_state_p50_ms": 1e3 * timing.latency,
        "camera_behind_state_p95_ms": 1e3 * (timing.latency + 2 * timing.latency_doubt),
        "camera_timing_residual_px": timing.residual,
    }
    if timing.readout is not None:
        figures["camera_rolling_p50_ms"] = 1e3 * timing.readout
        figures["camera_rolling_p95_ms"] = 1e3 * (timing.readout + 2 * timing.readout_doubt)
    trip = sitting.given.latency["round_trip_ms"]
    both = None
    if options.camera_latency_ms is not None:
        both = ways(trip, options.camera_latency_ms, 1e3 * timing.latency, 1e3 * timing.latency_doubt)
        figures |= _shown(both)
    return with_timing(sitting.given, name, timing, both, options.camera_latency_ms), figures


def _shown(both: Ways) -> dict[str, float]:
    return {
        f"{name}_{suffix}_ms": one.value + spread * one.sigma
        for name, one in (("command_to_motion", both.there), ("telemetry_delay", both.back))
        for suffix, spread in (("p50", 0.0), ("p95", 2.0))
    }


def _percentiles(name: str, values: Array) -> dict[str, float]:
    return {f"{name}_p{share}_ms": float(np.percentile(values, share)) for share in (50, 95)}


def _table(figures: dict[str, float]) -> Table:
    table = Table("delay", "median ms", "95th percentile ms")
    for name, meaning in ROWS.items():
        if f"{name}_p50_ms" in figures:
            table.add_row(meaning, f"{figures[f'{name}_p50_ms']:.1f}", f"{figures[f'{name}_p95_ms']:.1f}")
    return table


def main(args: Sequence[str]) -> int:
    """Find the delays."""
    options = checked(parsed(CalibrateLatency, "leash calibrate latency", args))
    if options.board and not options.camera:
        raise UsageError("--board is for a camera; give --camera head=/dev/video0 as well")
    if options.camera_latency_ms is not None and not options.board:
        raise UsageError("--camera-latency-ms tells the two ways apart with --board alone")
    ready = f"{READY}\n{SWAY}" if options.board else READY
    cameras = (options.camera,) if options.camera else ()
    return calibrate(options, ready, lambda sitting: budget(options, sitting), cameras=cameras, board=options.board)
