"""Grids: draws walked on both engines and in real time, kept, resumed, counted, drawn; the top speed."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from leash_robot.launch.commands import eval as eval_command
from leash_robot.launch.composition.policies import local_policy
from leash_robot.launch.evaluation import grid, top_speed
from leash_robot.launch.evaluation.cases import Case, case
from leash_robot.launch.evaluation.figures import breaking, by_axis, figures, transport
from leash_robot.launch.evaluation.ground import Ground, ground
from leash_robot.launch.evaluation.options import Commands, GridOptions
from leash_robot.launch.evaluation.plot import plot
from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.launch.evaluation.run_log import NAME, Ledger
from leash_robot.launch.evaluation.table import headline, thirds
from leash_robot.launch.evaluation.walk import Shover, Task, attempt, weight
from leash_robot.launch.options.tables import table
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.shipped import WALK
from leash_robot.robot.errors import PolicyError, SpecError, UsageError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Tick, unknown
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics
from leash_robot.sim.randomization.sampling import FIXED

SPEC = load_spec()
INSIDE = table("inside")
NOMINAL_TASK = Task("trot", FIXED, Commands(), seed=0, seconds=4.0, command=(0.25, 0.0, 0.0))


def result(draw: int = 0, engine: Engine = "twin", *, success: bool = True, mass: float = 1.0) -> Result:
    return Result(
        engine=engine,
        draw=draw,
        axes={"mass x": mass, "friction": float(draw % 7)},
        command=(0.3, 0.0, 0.0),
        reached=(0.29, 0.0, 0.0),
        no_fall=success or draw % 2 == 0,
        success=success,
        speed_error=0.03 if success else 0.2,
        yaw_error=0.1,
        speed_rmse=0.04,
        action_rate=0.1,
        seconds=20.0,
        work=60.0,
        metres=6.0,
        weight=20.0,
    )


# Walking


@pytest.mark.parametrize("engine", ["twin", "sim"])
def test_the_trot_follows_a_command_on_the_nominal_machine(engine: Engine) -> None:
    (walked,) = attempt(NOMINAL_TASK, engine, [0])
    assert walked.no_fall and walked.success and walked.seconds == 4.0 and not walked.why
    assert walked.reached[0] == pytest.approx(0.25, abs=0.06)
    assert walked.speed_error <= walked.speed_rmse < 0.1
    assert 0.3 < walked.work / walked.weight / walked.metres < 6.0 if walked.work else False
    assert 0.1 < walked.action_rate < 1.0
    assert walked.own_action_rate is None


def test_the_change_of_the_targets_is_told_in_shares_of_the_policys_own_box_too() -> None:
    (walked,) = attempt(replace(NOMINAL_TASK, policy=str(WALK), seconds=2.0), "twin", [0])
    usual, own = np.array([0.2, 0.4, 0.4]), np.array(read_manifest(WALK).box[:3])
    widest, narrowest = (usual / own).max(), (usual / own).min()
    assert walked.own_action_rate is not None
    assert narrowest < walked.own_action_rate / walked.action_rate < widest
    found = figures([walked, walked])
    assert found["action_rate_own_box"] == walked.own_action_rate


def test_in_lockstep_a_draw_always_goes_the_same_way() -> None:
    task = replace(NOMINAL_TASK, ranges=INSIDE, seconds=2.0)
    first, again = (attempt(task, "twin", [3]) for _ in range(2))
    assert first == again
    assert first != attempt(task, "twin", [4])


def test_a_robot_that_is_thrown_over_has_fallen_and_its_time_is_short() -> None:
    ranges = msgspec.structs.replace(FIXED, push_speed=(6.0, 6.0), push_interval=0.2)
    for engine in ("twin", "sim"):
        (walked,) = attempt(replace(NOMINAL_TASK, ranges=ranges), engine, [0])
        assert not walked.no_fall and not walked.success and walked.seconds < 4.0


def test_a_robot_that_cannot_stand_up_is_a_failure_not_an_error() -> None:
    ranges = msgspec.structs.replace(FIXED, motor_strength=(0.02, 0.02))
    (walked,) = attempt(replace(NOMINAL_TASK, ranges=ranges), "twin", [0])
    assert not walked.no_fall and not walked.success


def test_pushes_come_at_the_same_ticks_everywhere_and_not_in_the_first_second() -> None:
    drawn = case(FIXED, Commands(), 0, 0)._replace(push_speed=0.5, push_interval=1.0)
    tick = Tick(Observation(0, 0, *(unknown(12),) * 3, *(unknown(3),) * 3), Action(unknown(12)), Action(unknown(12)))

    def pushes(drawn: Case) -> dict[int, Array]:
        felt: list[Array] = []
        shover = Shover(felt.append, drawn, SPEC.period)
        found: dict[int, Array] = {}
        for now in range(400):
            shover.add(tick)
            if felt:
                found[now] = felt.pop()
        return found

    felt, again = pushes(drawn), pushes(drawn)
    assert 8 <= len(felt) <= 32 and min(felt) >= 20
    assert all(np.array_equal(felt[at], again[at]) for at in felt)
    assert all(np.linalg.norm(push) == pytest.approx(0.5) and push[2] == 0.0 for push in felt.values())
    assert not pushes(drawn._replace(push_speed=0.0))


def test_weight_counts_the_load() -> None:
    assert weight(NOMINAL) == pytest.approx(9.81 * 2.135)
    assert weight(Dynamics(mass=0.5, payload=0.2)) == pytest.approx(9.81 * (0.5 * 2.135 + 0.2))


def test_the_real_processes_walk_a_draw_as_the_lockstep_does(tmp_path: Path) -> None:
    task = replace(NOMINAL_TASK, ranges=INSIDE, seconds=3.0)
    options = GridOptions(grid="inside", draws=1, workers=1, out=tmp_path)
    figures, results = grid.measure(task, ("twin", "realtime"), options)
    lockstep, realtime = results["twin"][0], results["realtime"][0]
    assert realtime.work is None and lockstep.no_fall == realtime.no_fall
    assert realtime.reached[0] == pytest.approx(lockstep.reached[0], abs=0.08)
    assert figures["agreement"]["draws"] == 1


def test_the_ground_is_the_machine_that_was_drawn() -> None:
    drawn = case(INSIDE, Commands(), 0, 0)
    with ground("sim", drawn, needs_imu=True) as place:
        assert isinstance(place, Ground) and place.work() == 0.0
        assert place.opened.simulator is not None and place.opened.simulator.truth().height > 0.1


# Policies


def test_policies_are_found_by_name_or_refused_by_name() -> None:
    policy, needs_imu = local_policy("stand", SPEC)
    assert np.array_equal(policy.act(Observation(0, 0, *(unknown(12),) * 3, *(unknown(3),) * 3)).joint_pos, SPEC.stand)
    assert not needs_imu
    with pytest.raises(PolicyError, match="no policy file 'gallop'"):
        local_policy("gallop", SPEC)


# What is kept


def test_a_ledger_goes_on_where_it_was_interrupted_and_forgets_what_was_torn(tmp_path: Path) -> None:
    asked = {"policy": "trot", "seed": 0}
    with Ledger(tmp_path, asked, ["twin"], 4) as ledger:
        ledger.add(result(0))
        ledger.add(result(2))
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"engine": "twin", "dra')
    with Ledger(tmp_path, asked, ["twin"], 4) as ledger:
        assert ledger.results == [result(0), result(2)]
        assert ledger.missing("twin") == [1, 3] and ledger.missing("sim") == [0, 1, 2, 3]
        ledger.add(result(1))
    with Ledger(tmp_path, asked, ["twin"], 4) as ledger:
        assert [one.draw for one in ledger.results] == [0, 2, 1]


def test_a_finished_evaluation_is_walked_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Ledger(tmp_path, {}, ["twin"], 1) as ledger:
            assert ledger.results == []
            ledger.add(result(0))
    assert (tmp_path / "draws.old.jsonl").exists()


def test_fewer_draws_or_engines_are_told_apart_and_cost_none_of_the_others(tmp_path: Path) -> None:
    with Ledger(tmp_path, {}, ["twin", "sim"], 6) as ledger:
        for draw in range(5):
            ledger.add(result(draw))
        ledger.add(result(0, "sim"))
    with Ledger(tmp_path, {}, ["sim"], 2) as ledger:
        assert ledger.results == [result(0, "sim")] and ledger.missing("sim") == [1]
    with Ledger(tmp_path, {}, ["twin", "sim"], 6) as ledger:
        assert len(ledger.results) == 6 and ledger.missing("twin") == [5]


def test_a_folder_of_another_evaluation_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path, {"seed": 0}, ["twin"], 2):
        pass
    with pytest.raises(UsageError, match="another evaluation"):
        Ledger(tmp_path, {"seed": 1}, ["twin"], 2)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep results"):
        Ledger(tmp_path / "file", {}, ["twin"], 2)


# Figures


def mixed() -> list[Result]:
    """Sixty draws that fail when they are heavy."""
    return [result(draw, success=draw < 40, mass=0.7 + draw / 100) for draw in range(60)]


def test_figures_count_and_give_intervals() -> None:
    found = figures(mixed())
    assert (found["episodes"], found["success"], found["no_fall"]) == (60, 40, 50)
    low, high = found["success_interval"]
    assert low < 40 / 60 < high and (low, high) == pytest.approx((0.539, 0.773), abs=2e-3)
    assert found["cost_of_transport"] == pytest.approx(60.0 / (20.0 * 6.0))
    assert found["speed_rmse"] == pytest.approx(0.04) and found["action_rate"] == pytest.approx(0.1)


def test_the_axis_that_breaks_a_policy_comes_first() -> None:
    spans = breaking(mixed())
    assert spans[0] == ("mass x", 1.0) and spans[1][1] < 0.5
    light, middle, heavy = by_axis(mixed())["mass x"]
    assert (light.rate, middle.rate, heavy.rate) == (1.0, 1.0, 0.0)
    assert light.low == 0.7 and heavy.high == pytest.approx(1.29) and light.episodes == 20


def test_transport_leaves_out_what_fell_or_was_to_stand() -> None:
    fell = msgspec.structs.replace(result(1, success=False), work=1e6)
    still = msgspec.structs.replace(result(2), command=(0.0, 0.0, 0.5), work=1e6)
    assert transport([result(0), fell, still]) == pytest.approx(0.5)
    assert np.isnan(transport([still]))


def test_one_draw_is_enough_for_figures_tables_and_a_picture(tmp_path: Path) -> None:
    results: dict[Engine, list[Result]] = {"twin": [result(0)], "sim": [result(0, "sim", success=False)]}
    assert figures(results["twin"])["episodes"] == 1
    assert headline("", results).row_count == 8 and thirds(results).row_count == 2
    plot("one", results, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="give another --out"):
        plot("one", results, tmp_path / "nowhere" / "one.png")


# The command


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


def at(speed: float, *, success: bool) -> list[Result]:
    one = msgspec.structs.replace(result(0, success=success), reached=(0.9 * speed, 0.0, 0.0))
    return [one] * top_speed.EPISODES


def test_telemetry_that_is_older_than_a_tick_is_refused_before_anybody_walks(tmp_path: Path) -> None:
    table = tmp_path / "late.yaml"
    table.write_text("telemetry_latency_ms: [0, 60]\n")
    with pytest.raises(SpecError, match="reaches 60.0, not below a tick, 50"):
        grid.ranges_of(GridOptions(grid=str(table)))


def test_speeds_are_tried_upwards_until_two_in_a_row_are_not_followed() -> None:
    rows = list(top_speed.climb(lambda speed: at(speed, success=speed < 0.4 or speed == 0.45)))
    asked = [row["command_m_s"] for row in rows]
    assert asked == pytest.approx(np.arange(0.2, 0.56, 0.05))
    followed = [row["command_m_s"] for row in rows if row["success"] == top_speed.EPISODES]
    assert followed[-1] == 0.45 and rows[5]["reached_m_s"] == pytest.approx(0.405)


def test_who_only_stands_has_no_top_speed() -> None:
    found = top_speed.measure("stand", "sim", seed=0, seconds=2.0, workers=1)
    assert found["top_speed_m_s"] == 0.0 and len(found["tried"]) == top_speed.PATIENCE
    assert all(row["no_fall"] == top_speed.EPISODES for row in found["tried"])
    assert top_speed.table("stand", found).row_count == top_speed.PATIENCE


def test_ctrl_c_ends_an_evaluation_at_once_and_keeps_what_was_walked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leash_robot.launch.cli", "eval", "trot", "--grid", "inside", "--robot", "sim"]
    command += ["--seconds", "5", "--workers", "1", "--out", str(tmp_path)]
    ledger = tmp_path / NAME
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as evaluation:
        while evaluation.poll() is None and not (ledger.exists() and ledger.read_bytes().count(b"\n") >= 3):
            time.sleep(0.1)
        evaluation.send_signal(signal.SIGINT)
        _, said = evaluation.communicate(timeout=60)
    assert evaluation.returncode == 130 and "Traceback" not in said
    assert 3 <= ledger.read_bytes().count(b"\n") < 100
