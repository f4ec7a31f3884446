"""A recording's targets in the simulator, before and after identification, as one page."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from leash_robot.launch.commands.calibrate.report import main
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.calibration import Calibration, CalibrationEstimate, dump_calibration
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.sim.evaluation.replay import TickLog
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep
from support.recording.recordings import fill, start

SPEC = load_spec()
MACHINE = TwinDynamics(kp=1.25, kd=0.75, rotor_inertia=0.75, action_latency_ms=25.0, telemetry_latency_ms=15.0)
FOUND = {"kp": 1.25, "kd": 0.75, "motor_strength": 0.98, "joint_friction": 0.02, "rotor_inertia": 0.75}
DESK = replace(
    Calibration.identity(SPEC),
    machine="desk",
    motors={name: CalibrationEstimate(value, 0.01) for name, value in FOUND.items()},
    latency={"round_trip_ms": CalibrationEstimate(40.0, 0.5), "state_age_ms": CalibrationEstimate(5.0, 1.0)},
)


def recorded(folder: Path, ticks: int) -> Path:
    """A trot of the twin, as an episode."""
    log = TickLog()
    with lockstep(SPEC, Twin(MACHINE, seed=2)) as robot:
        robot.reset()
        run(robot, ConstantCommand(Trot(SPEC), (0.2, 0.0, 0.0)), log, ticks=ticks)
    writer = EpisodeWriter(folder / "episode_000000.mcap", start(SPEC))
    fill(writer, log.ticks)
    return writer.finish(End("success"))


def desk(folder: Path) -> Path:
    path = folder / "desk.yaml"
    path.write_text(dump_calibration(DESK))
    return path


def test_identified_motors_follow_the_robot_better_and_the_page_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "replay.html"
    args = [str(recorded(tmp_path, 60)), "--calibration", str(desk(tmp_path)), "--out", str(out), "--json"]
    assert main(args) == 0
    said = capsys.readouterr().out
    for figure in ("joint_rmse_after_rad", "tilt_rmse_after_deg", "turn_rmse_after", "replay_rmse_ratio"):
        assert figure in said
    page = out.read_text()
    assert DESK.hash in page
    assert page.count("<img") == 4
    for heading in ("Body", "Joints", "tilt, deg", "back left knee"):
        assert heading in page


def test_a_short_recording_says_nothing_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "replay.html"
    with pytest.raises(CalibrationError, match="has 5 ticks; 20 at least"):
        main([str(recorded(tmp_path, 5)), "--calibration", str(desk(tmp_path)), "--out", str(out)])
    assert not out.exists()
