"""`leash train sac --robot twin`: real time and lock-step, takeovers, falls, and what ends it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.launch.cli import chosen
from leash_robot.launch.commands.train.live import TrainLive, learn_live, planned
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.launch.composition.training.schema import (
    ON_ROBOT,
    WalkTraining,
    load_robot_training,
    with_robot_defaults,
)
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.rl.checkpoint import load_checkpoint
from leash_robot.policies.rl.config import Demonstrations
from leash_robot.policies.rl.replay_buffer import FINAL, TRUNCATED
from leash_robot.policies.rl.sac.config import SacConfig
from leash_robot.robot.bodies.pupper.get_up import get_up
from leash_robot.robot.encoding.feature_encoding import COMMAND
from leash_robot.robot.errors import LeashError, PolicyError, RobotError, UsageError
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.locomotion.velocity_reward import MeasuredWeights
from leash_robot.robot.spec import load_spec
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()
PLAN = replace(
    ON_ROBOT,
    minutes=0.05,
    sac=SacConfig(critic_hidden=(16,), actor_hidden=(16,), batch=16),
    walk=replace(ON_ROBOT.walk, commands=replace(ON_ROBOT.walk.commands, hold=1.0)),
    random=20,
    ratio=0.5,
    compiled=False,
    demonstrations=Demonstrations(seconds=1.0, imitate=5),
    judging=replace(ON_ROBOT.judging, robot_seconds=0.5),
)


def unscored(plan: WalkTraining) -> WalkTraining:
    return replace(plan, judging=replace(plan.judging, robot_seconds=0.0))


def configured(folder: Path, plan: WalkTraining = PLAN) -> TrainLive:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(msgspec.yaml.encode(plan).decode())
    return TrainLive(config=path, out=folder / "run")


def actor(folder: Path) -> dict[str, np.ndarray]:
    return load_checkpoint(folder / "run" / "checkpoint.safetensors", SPEC.hash).part("learner")


def test_lock_step_is_the_same_from_the_same_seed_and_resumes(tmp_path: Path) -> None:
    first = learn_live(dataclasses.replace(configured(tmp_path / "a"), lockstep=True))
    learn_live(dataclasses.replace(configured(tmp_path / "b"), lockstep=True))
    assert all(np.array_equal(row, actor(tmp_path / "b")[name]) for name, row in actor(tmp_path / "a").items())
    rows = load_checkpoint(tmp_path / "a" / "run" / "checkpoint.safetensors", SPEC.hash).part("online.0")["end"]
    assert first["updates"] == len(rows) // 2
    assert first["steps"] == (rows != FINAL).sum()
    assert first["late_ticks"] == first["missed"] == 0
    with pytest.raises(PolicyError, match="--resume goes on with it"):
        learn_live(dataclasses.replace(configured(tmp_path / "a"), lockstep=True))
    more = learn_live(
        dataclasses.replace(configured(tmp_path / "a", replace(PLAN, minutes=0.1)), lockstep=True, resume=True)
    )
    assert more["steps"] > first["steps"]
    assert more["robot_minutes"] == pytest.approx(0.1, abs=0.01)


def test_a_step_is_judged_by_what_was_asked_when_it_was_taken(tmp_path: Path) -> None:
    """Also the last one before something else is asked, and its final observation says what it was."""
    nothing = dict.fromkeys(("yaw", "lean", "wobble", "change", "low", "fall"), 0.0)
    walk = replace(PLAN.walk, commands=replace(PLAN.walk.commands, vx=(-0.5, 0.5)))
    plan = replace(unscored(PLAN), minutes=0.1, walk=walk, worth=MeasuredWeights(**nothing))
    learn_live(dataclasses.replace(configured(tmp_path, plan), lockstep=True))
    rows = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors", SPEC.hash).part("online.0")
    frames = plan.features.frames * plan.features.frame_width(12)
    asked, speed = rows["obs"][:, frames : frames + 2] / COMMAND[:2], rows["privileged"][:, :2] / 2
    step = np.flatnonzero(rows["end"] != FINAL)
    step = step[step < len(rows["end"]) - 1]
    error, size = (np.hypot(*values.T) for values in (speed[step + 1] - asked[step], asked[step]))
    worth = np.maximum(-1, 1 - error / np.maximum(plan.worth.least, size))
    np.testing.assert_allclose(rows["reward"][step], worth, atol=1e-5)
    last = np.flatnonzero(rows["end"] == TRUNCATED)
    assert len(last) > 3
    np.testing.assert_array_equal(asked[last], asked[last + 1])


def test_a_takeover_lands_in_both_replays(tmp_path: Path) -> None:
    who = OperatorOptions(operator=("scripted",))
    figures = learn_live(
        dataclasses.replace(configured(tmp_path, replace(unscored(PLAN), minutes=0.12)), lockstep=True, who=who)
    )
    assert figures["interventions"] >= 1
    kept = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors", SPEC.hash)
    online, shown = kept.part("online.0"), kept.part("shown.0")
    assert (online["burst"] == 0).any()
    assert (shown["burst"][shown["end"] != FINAL] > 0).all()
    both = {row.tobytes() for row in online["obs"]}
    assert figures["demonstrated"] > 5
    assert all(row.tobytes() in both for row in shown["obs"][shown["end"] != FINAL])
    carried = shown["action"][shown["end"] != FINAL]
    assert figures["left_out"] == (np.abs(carried).max(axis=1) > 1.001).sum() > 0


def test_a_teacher_is_imitated_and_then_relieved(tmp_path: Path) -> None:
    figures = learn_live(
        dataclasses.replace(configured(tmp_path, replace(PLAN, minutes=0.08)), lockstep=True, start="trot")
    )
    assert 15 <= figures["demonstrated"] < figures["steps"]
    assert figures["taught_speed_mps"] > 0.0
    manifest = read_manifest(tmp_path / "run" / "policy.safetensors")
    assert (manifest.kind, manifest.filter_hz) == ("sac", PLAN.walk.filter_hz)


def test_recordings_are_imitated_beside_a_teacher(tmp_path: Path) -> None:
    """Another actor comes out of it than without them."""
    words = ["collect", str(tmp_path / "demo"), "--robot", "sim", "--operator", "scripted", "--episodes", "1"]
    subprocess.run(
        [sys.executable, "-m", "leash_robot.launch.cli", *words, "--seconds", "4"], check=True, capture_output=True
    )
    wide = replace(PLAN, minutes=0.08, walk=replace(PLAN.walk, box=(0.9, 0.9, 0.9)), ratio=0.01)
    for name, demos in (("with", (tmp_path / "demo",)), ("without", ())):
        config = configured(tmp_path / name, wide)
        learn_live(dataclasses.replace(config, lockstep=True, start="trot", demos=demos))
    one, other = (actor(tmp_path / name) for name in ("with", "without"))
    assert not np.allclose(one["actor.weight_0"], other["actor.weight_0"])
    with pytest.raises(UsageError, match="give --from too"):
        learn_live(dataclasses.replace(configured(tmp_path / "alone"), demos=(tmp_path / "demo",)))


@pytest.mark.parametrize("lying", [(0, 1, 0, 0), (0.7071, 0.7071, 0, 0), (0.7071, 0, 0.7071, 0)])
def test_it_gets_up_from_its_back_its_side_and_its_nose(lying: tuple[float, ...]) -> None:
    twin = Twin(seed=1)
    with lockstep(SPEC, twin, needs_imu=True) as robot:
        robot.reset()
        twin.body.data.qpos[2:7] = (0.2, *lying)
        twin.body.data.qvel[:] = 0
        robot.pause()
        robot._clock.sleep_until(robot._clock.now() + 1.0)
        twin.firmware.attitude.settle(twin.body.imu()[1])
        assert twin.truth().fallen
        for _ in range(3):
            get_up(robot, Lateness(SPEC.period))
            if not twin.truth().fallen:
                break
        assert not twin.truth().fallen


def test_a_reward_that_is_no_number_is_named_and_the_checkpoint_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file cannot say such a number; a reward that somebody writes can come to one."""
    plan = replace(PLAN, worth=MeasuredWeights(lean=float("nan")))
    monkeypatch.setattr("leash_robot.launch.commands.train.live.load_robot_training", lambda path: plan)
    with pytest.raises(PolicyError, match="reward is not finite .lean nan"):
        learn_live(TrainLive(out=tmp_path / "run", lockstep=True))
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_in_real_time_the_driving_process_holds_no_torch(tmp_path: Path) -> None:
    """The whole thing as a user starts it: twin, gate and learner processes, an operator, figures on the last line."""
    config = configured(tmp_path, replace(PLAN, minutes=0.1)).config
    code = (
        "import sys\nfrom leash_robot.launch.cli import main\nstatus = main()\n"
        "assert 'torch' not in sys.modules and 'pybullet' not in sys.modules\nsys.exit(status)"
    )
    words = ["train", "sac", "--robot", "twin", "--config", str(config), "--out", str(tmp_path / "run"), "--json"]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert {"minutes", "robot_minutes", "steps", "updates", "falls", "late_ticks", "speed_mean"} <= figures.keys()
    assert figures["steps"] > 60
    assert load_checkpoint(tmp_path / "run" / "checkpoint.safetensors", SPEC.hash).info.steps[0] > 0


def steps(checkpoint: Path) -> int:
    """Of a checkpoint, if there is one already."""
    try:
        return load_checkpoint(checkpoint, SPEC.hash).info.steps[0]
    except LeashError:
        return 0


def test_a_port_that_is_lost_keeps_the_checkpoint(tmp_path: Path) -> None:
    """On the machine's own path, with nobody who could set the robot on its feet."""
    config, checkpoint = (
        configured(tmp_path, replace(PLAN, minutes=5, keep=0.5)),
        tmp_path / "run/checkpoint.safetensors",
    )

    def pull(pid: int) -> None:
        until = time.monotonic() + 240
        while not steps(checkpoint) and time.monotonic() < until:
            time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)

    with TwinProcess(TwinConfig()) as twin:
        thread = threading.Thread(target=pull, args=(twin.pid,))
        thread.start()
        with pytest.raises(RobotError, match="see to it, then --resume goes on"):
            learn_live(dataclasses.replace(config, robot=RobotOptions(robot="pupper", port=twin.port)))
        thread.join()
    kept = steps(checkpoint)
    assert kept > 0
    again = dataclasses.replace(configured(tmp_path, replace(PLAN, minutes=0.001)), lockstep=True, resume=True)
    assert learn_live(again)["steps"] >= kept


def test_a_robot_learns_by_odometry_and_the_truth_is_measured_besides(tmp_path: Path) -> None:
    """What hardware has is the default, and the twin says how far that is from what really happened."""
    assert TrainLive().velocity == "odometry"
    figures = learn_live(dataclasses.replace(configured(tmp_path / "a"), lockstep=True))
    assert {"judged_speed_error_mps", "judged_true_speed_error_mps", "speed_mean", "true_speed_mean"} <= figures.keys()
    assert figures["judged_speed_mps"] != figures["judged_true_speed_mps"]
    tracked = learn_live(dataclasses.replace(configured(tmp_path / "b"), lockstep=True, velocity="tracker"))
    assert tracked["judged_speed_mps"] == pytest.approx(tracked["judged_true_speed_mps"])


def test_seed_0_of_the_command_line_wins_over_the_plans(tmp_path: Path) -> None:
    config = configured(tmp_path, replace(PLAN, seed=3))
    assert planned(dataclasses.replace(config, robot=RobotOptions(seed=0))).seed == 0
    assert planned(config).seed == 3


@pytest.mark.parametrize(("option", "value"), [("seed", 0), ("boot", "homed")])
def test_an_option_that_equals_its_default_is_refused_where_it_means_nothing(option: str, value: object) -> None:
    options = RobotOptions(robot="pupper", port="/dev/none", **{option: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"--{option} means nothing to --robot pupper"), open_robot(options):
        pass


def test_without_a_robot_there_is_a_clear_word(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learns in PyBullet"):
        learn_live(dataclasses.replace(configured(tmp_path), robot=RobotOptions(robot="sim")))
    with pytest.raises(UsageError, match="--lockstep has no real time"):
        learn_live(
            dataclasses.replace(
                configured(tmp_path), lockstep=True, robot=RobotOptions(robot="pupper", port="/dev/none")
            )
        )


def test_the_command_line_chooses_the_module_without_torch() -> None:
    folder = "leash_robot.launch.commands"
    assert chosen("train", ["sac", "--robot", "twin"]) == (f"{folder}.train.live", ["--robot", "twin"])
    assert chosen("train", ["sac", "--out", "x"]) == (f"{folder}.train.command", ["sac", "--out", "x"])
    assert chosen("eval", ["sac", "--robot", "twin"])[0] == f"{folder}.eval.command"


def test_the_keys_of_version_0_1_still_open(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        "{task: {vx: [0.1, 0.2], hold: 7}, box: [0.1, 0.2, 0.3], filter_hz: 2, shown: 9, imitate: 8, judge: 0.5,"
        " worth: {fall: -3}, minutes: 4}"
    )
    plan = load_robot_training(path)
    assert (plan.walk.commands.vx, plan.walk.commands.vy, plan.walk.commands.hold) == ((0.1, 0.2), (0.0, 0.0), 7)
    assert (plan.walk.box, plan.walk.filter_hz, plan.worth.fall, plan.minutes) == ((0.1, 0.2, 0.3), 2, -3, 4)
    assert (plan.demonstrations.seconds, plan.demonstrations.imitate, plan.judging.robot_seconds) == (9, 8, 0.5)
    assert (plan.ratio, plan.sac, plan.random) == (ON_ROBOT.ratio, ON_ROBOT.sac, ON_ROBOT.random)
    assert load_robot_training(None) == ON_ROBOT == msgspec.convert(with_robot_defaults({}), WalkTraining)
