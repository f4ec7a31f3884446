"""`leash eval`: held-out evaluations kept, resumed, printed and drawn; what is refused."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from leash_robot.launch.commands.eval import command as eval_command
from leash_robot.launch.commands.eval import held_out
from leash_robot.launch.commands.eval.held_out import HeldOut
from leash_robot.launch.commands.eval.options import HeldOutOptions
from leash_robot.launch.composition.policies import local_policy
from leash_robot.launch.options.tables import table
from leash_robot.launch.reporting.evaluation_plot import plot
from leash_robot.launch.reporting.evaluation_table import headline, thirds
from leash_robot.robot.errors import PolicyError, SpecError, UsageError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Observation, unknown
from leash_robot.sim.evaluation.figures import figures
from leash_robot.sim.evaluation.result import Engine, EpisodeResult
from leash_robot.sim.evaluation.run_log import NAME
from leash_robot.sim.evaluation.samples import CommandRanges
from support.episode_results import result

SPEC = load_spec()


def test_the_real_processes_walk_a_draw_as_the_lockstep_does(tmp_path: Path) -> None:
    job = HeldOut("trot", table("inside"), CommandRanges(), seed=0, seconds=3.0, command=(0.25, 0.0, 0.0))
    options = HeldOutOptions(grid="inside", draws=1, workers=1, out=tmp_path)
    figures, results = held_out.measure(job, ("twin", "realtime"), options)
    lockstep, realtime = results["twin"][0], results["realtime"][0]
    assert realtime.work is None and lockstep.no_fall == realtime.no_fall
    assert realtime.reached[0] == pytest.approx(lockstep.reached[0], abs=0.08)
    assert figures["agreement"]["draws"] == 1


def test_policies_are_found_by_name_or_refused_by_name() -> None:
    policy, needs_imu = local_policy("stand", SPEC)
    assert np.array_equal(policy.act(Observation(0, 0, *(unknown(12),) * 3, *(unknown(3),) * 3)).joint_pos, SPEC.stand)
    assert not needs_imu
    with pytest.raises(PolicyError, match="no policy file 'gallop'"):
        local_policy("gallop", SPEC)


def test_one_draw_is_enough_for_figures_tables_and_a_picture(tmp_path: Path) -> None:
    results: dict[Engine, list[EpisodeResult]] = {"twin": [result(0)], "sim": [result(0, "sim", success=False)]}
    assert figures(results["twin"])["episodes"] == 1
    assert headline("", results).row_count == 8 and thirds(results).row_count == 2
    plot("one", results, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="give another --out"):
        plot("one", results, tmp_path / "nowhere" / "one.png")


def run(*args: str) -> None:
    assert eval_command.main(["trot", "--workers", "2", "--json", *args]) == 0


def test_eval_walks_a_grid_on_both_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "mild.yaml"
    table.write_text("mass: [0.9, 1.1]\n")
    out = tmp_path / "out"
    args = ["--grid", str(table), "--draws", "2", "--seconds", "3", "--seed", "5", "--out", str(out)]
    run(*args)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    for engine in ("twin", "sim"):
        assert {"episodes", "success", "no_fall", "speed_rmse", "action_rate"} <= set(told[engine])
        assert told[engine]["episodes"] == 2
        assert set(told[engine]["axes"]) == {"mass x", "command vx m/s", "command vy m/s", "command yaw rad/s"}
    assert json.loads((out / "figures.json").read_text()) == told and (out / "grid.png").exists()
    lines = (out / NAME).read_bytes().splitlines()
    (out / NAME).write_bytes(b"\n".join(lines[:3]) + b"\n")  # as if interrupted after two walks
    run(*args)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == told, "what was walked again came out the same"
    assert (out / NAME).read_bytes().splitlines()[:3] == lines[:3]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trot", "--grid", "easy"], "no table of ranges is called 'easy'"),
        (["trot", "--grid", "inside", "--robot", "sim", "--realtime"], "--realtime means nothing"),
        (["trot", "--grid", "inside", "--top-speed"], "leave out --grid"),
        (["trot", "--grid", "inside", "--boot", "cold"], "--boot means nothing"),
        (["trot", "--top-speed", "--command", "0.2", "0", "0"], "--workers alone"),
        (["tcp://127.0.0.1:5555", "--grid", "inside"], "not a server"),
        (["trot", "--grid", "inside", "--vx", "0.5", "0.1"], "begins above its end"),
        (["trot", "--grid", "inside", "--vx", "0", "inf"], "vx"),
        (["trot", "--grid", "inside", "--seed", "-1"], "seed"),
        (["trot"], "mean nothing without --grid"),
        (["trot", "--grid", "inside", "--episodes", "5"], "--grid has --draws"),
        (["gallop", "--grid", "inside"], "no policy is called 'gallop'"),
        (["trot", "--grid", "inside", "--seconds", "0.5"], "leaves nothing"),
    ],
)
def test_eval_refuses_in_one_line(args: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, SpecError, PolicyError)) as error:
        eval_command.main([*args, "--out", str(tmp_path)])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_telemetry_that_is_older_than_a_tick_is_refused_before_anybody_walks(tmp_path: Path) -> None:
    table = tmp_path / "late.yaml"
    table.write_text("telemetry_latency_ms: [0, 60]\n")
    with pytest.raises(SpecError, match="reaches 60.0, not below a tick, 50"):
        held_out.ranges_of(HeldOutOptions(grid=str(table)))


def test_ctrl_c_ends_an_evaluation_at_once_and_keeps_what_was_walked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leash_robot.launch.cli", "eval", "trot", "--grid", "inside", "--robot", "sim"]
    command += ["--seconds", "5", "--workers", "1", "--out", str(tmp_path)]
    log = tmp_path / NAME
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as evaluation:
        while evaluation.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= 3):
            time.sleep(0.1)
        evaluation.send_signal(signal.SIGINT)
        _, said = evaluation.communicate(timeout=60)
    assert evaluation.returncode == 130 and "Traceback" not in said
    assert 3 <= log.read_bytes().count(b"\n") < 100
