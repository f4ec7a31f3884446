"""`leash calibrate latency`: from a command to what is seen of it, as a budget; the motors are found along the way."""

from rich.table import Table

from calibration.identification import calibrate_motors
from calibration.joints import Found
from calibration.sitting import Sitting
from launch.calibrate_motors import READY
from launch.calibrate_session import calibrate, parse
from launch.output import console

ROWS = {
    "round_trip": "command to the state that shows its motion",
    "telemetry_jitter": "a state later than the soonest",
    "state_age": "state's age when the next command is made",
}


def budget(sitting: Sitting) -> Found:
    """Measure, and print the table. Raises CalibrationError."""
    found, figures = calibrate_motors(sitting)
    table = Table("delay", "median ms", "95th percentile ms")
    for name, meaning in ROWS.items():
        table.add_row(meaning, f"{figures[f'{name}_p50_ms']:.1f}", f"{figures[f'{name}_p95_ms']:.1f}")
    console.print(table)
    return found, figures


def main(args: list[str]) -> int:
    """Find the delays."""
    return calibrate(parse("latency", args), READY, budget)
