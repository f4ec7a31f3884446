"""`leash calibrate latency`: from a command to what is seen of it, as a budget; the motors are found along the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from rich.table import Table

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.file import Optics
from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.latency.procedure import SWAY, PolicyTrips, TimedCamera, calibrate_latency
from leash_robot.calibration.pose import Pose
from leash_robot.calibration.session import CalibrationSession, Found, Procedure
from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate, procedure_of
from leash_robot.launch.composition.policy_trips import policy_trips
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import UsageError
from leash_robot.robot.types import Array, Observation

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


def main(args: Sequence[str]) -> int:
    """Find the delays."""
    options = checked(parsed(CalibrateLatency, "leash calibrate latency", args))
    if options.board and not options.camera:
        raise UsageError("--board is for a camera; give --camera head=/dev/video0 as well")
    if options.camera_latency_ms is not None and not options.board:
        raise UsageError("--camera-latency-ms tells the two ways apart with --board alone")
    motors = procedure_of(options, "motors")
    ready = f"{motors.preparation}\n{SWAY}" if options.board else motors.preparation
    cameras = (options.camera,) if options.camera else ()

    def run(session: CalibrationSession) -> Found:
        return _printed(calibrate_latency(session, motors, _timed(options), _trips(options)))

    return calibrate(options, Procedure(ready, run), cameras=cameras, board=options.board)


def _timed(options: CalibrateLatency) -> TimedCamera | None:
    if not options.board:
        return None
    name = "head" if options.camera == "on" else options.camera.partition("=")[0]
    finder = Finder(Board(square=options.square_mm / 1e3))
    return TimedCamera(name, finder, twin_optics() if options.kind == "twin" else None, options.camera_latency_ms)


def twin_optics() -> Optics:
    """Lens and place of the twin's head camera."""
    from leash_robot.sim.rendering.flawed_camera import NOMINAL_FOCAL, NOMINAL_PLACE, nominal_axes

    focal, bends = (NOMINAL_FOCAL, NOMINAL_FOCAL), (0.0,) * 5
    lens = Intrinsics((640, 480), focal, (319.5, 239.5), bends, nan, nan, nan)
    return lens, Pose(nominal_axes(), np.array(NOMINAL_PLACE))


def _trips(options: CalibrateLatency) -> PolicyTrips | None:
    if not options.policy:
        return None

    def trips(seen: Iterable[Observation]) -> Array:
        return policy_trips(options.policy, options.entry.load_spec(), options.load_plan(), seen)

    return trips


def _printed(found: Found) -> Found:
    """The same, with its delays printed as a table."""
    _, figures = found
    table = Table("delay", "median ms", "95th percentile ms")
    for name, meaning in ROWS.items():
        if f"{name}_p50_ms" in figures:
            table.add_row(meaning, f"{figures[f'{name}_p50_ms']:.1f}", f"{figures[f'{name}_p95_ms']:.1f}")
    console.print(table)
    return found
