"""What a training may cost and what it must reach: updates, pace, criterion, the best snapshot, exit codes."""

import multiprocessing
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.launch.commands.train.command import NOT_MET
from leash_robot.launch.commands.train.command import main as train
from leash_robot.launch.commands.train.sac import TrainSac, learn, planned
from leash_robot.launch.composition.training.schema import WalkEvaluation, WalkTraining
from leash_robot.launch.composition.training.walk_policy import save_walk_policy
from leash_robot.launch.composition.training.walk_task import WalkTask, episode_score, walk_figures_of
from leash_robot.launch.reporting.training_bar import check_minutes, left_over
from leash_robot.policies.rl.algorithm import Weights
from leash_robot.policies.rl.drivers.asynchronous import AsynchronousTraining
from leash_robot.policies.rl.drivers.collector import Collector, CollectorJob
from leash_robot.policies.rl.drivers.learner_process import ActorMessage
from leash_robot.policies.rl.drivers.synchronous import SynchronousTraining
from leash_robot.policies.rl.evaluation import Evaluation, Snapshot, SnapshotSelector
from leash_robot.policies.rl.progress import LEARNING, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.sac import Learner
from leash_robot.policies.rl.task import EpisodeScore
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import UsageError
from leash_robot.robot.spec import load_spec
from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.tracking import Tracking
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.evaluation.walk_score import WalkScore, score_walk
from leash_robot.sim.randomization.sampling import Ranges

AHEAD = Commands(vx=(0.5, 0.5), vy=(0.0, 0.0), yaw=(0.0, 0.0), stand=0.0)
PLAN = WalkTraining(
    updates=30,
    walk=WalkConfig(seconds=1.5, ranges=Ranges()),
    sac=SacConfig(critic_hidden=(16,), actor_hidden=(16,), batch=16, precision="float32"),
    capacity=2000,
    random=20,
    ratio=0.5,
    compiled=False,
    judging=WalkEvaluation(updates=15, episodes=2, seconds=1.5, commands=Commands(stand=1.0), final=1),
)
STAND, WALK = np.zeros(3), np.array([0.4, 0.0, 0.0])


def trained(folder: Path, plan: WalkTraining, **options: object) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(msgspec.yaml.encode(plan).decode())
    return learn(TrainSac(config=path, out=folder / "run", lockstep=True, video=False, **options))  # type: ignore[arg-type]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy.safetensors"


@pytest.fixture
def selector(policy: Path) -> SnapshotSelector:
    plan = replace(PLAN, judging=replace(PLAN.judging, target=1.0))

    def save(weights: Weights, made: Evaluation) -> None:
        save_walk_policy(policy, weights, plan, load_spec(), walk_figures_of(made))

    return SnapshotSelector(WalkTask(plan, load_spec()), save)


def snapshot(updates: int = 0) -> Snapshot:
    learner = Learner(PLAN.sac, Sizes(PLAN.features.width(12), 1, 12), compiled=False)
    actor = {name.removeprefix("actor."): row for name, row in learner.arrays_of("actor").items()}
    return Snapshot(0.0, 0, updates, actor, {}, 0.0)


def walking(error: float = 0.02, pursuit: float = 0.9) -> list[EpisodeScore]:
    return [episode_score(WalkScore(False, Tracking(error, 0.0), 0.1, pursuit))] * 2


STANDING = [episode_score(WalkScore(False, Tracking(0.4, 0.0), 0.0, 0.0))] * 2


def test_a_learner_waits_for_steps_and_a_collector_for_updates() -> None:
    pace = Pace(ratio=0.1, start=50)
    with SharedProgress(collectors=2) as progress:
        assert pace.may_step(progress) and not pace.may_update(progress)
        for number in range(250):
            progress.stepped(number % 2)
        assert progress.steps == 250
        assert not pace.may_step(progress), "200 steps ahead of no update, and 50 that come first"
        progress.updates = 25
        assert not pace.may_update(progress) and pace.may_step(progress)


@pytest.mark.parametrize("ratio", [0.01, 0.2, 4.0, 100.0])
def test_nobody_waits_for_a_process_that_waits(ratio: float) -> None:
    pace = Pace(ratio, start=300, steps=1000, updates=70)
    with SharedProgress(steps=1000, updates=70) as progress:
        for _ in range(2000):
            stepping, updating = pace.may_step(progress), pace.may_update(progress)
            assert stepping or updating
            if updating and progress.steps >= 1300:
                progress.updates += 1
            elif stepping:
                progress.stepped(0)


def test_a_learner_stops_at_its_budget() -> None:
    with SharedProgress() as progress:
        for _ in range(1000):
            progress.stepped(0)
        progress.updates = 19
        assert Pace(1.0, 0, budget=20).may_update(progress)
        progress.updates = 20
        assert not Pace(1.0, 0, budget=20).may_update(progress)


def test_counts_are_read_in_another_place_as_they_were_written() -> None:
    with SharedProgress(collectors=3, steps=100, updates=7) as progress:
        other = SharedProgress(progress.counts)
        progress.stepped(2)
        progress.phase, progress.rate = LEARNING, 38.25
        assert (other.steps, other.updates, other.phase, other.rate) == (101, 7, LEARNING, 38.25)
        other.close()


def test_a_free_training_keeps_steps_and_updates_together_and_stops_at_its_budget() -> None:
    plan = replace(PLAN, updates=40, stop=False)
    with AsynchronousTraining(WalkTask(plan, load_spec()), 2) as training:
        limit = time.monotonic() + 300
        while training.progress.updates < 40 and time.monotonic() < limit:
            list(training.listen())
            training.learner.poll(0.1)
        learned = training.request(ActorMessage())
        assert learned.updates == training.progress.updates == 40
        assert 80 <= training.progress.steps <= 80 + 100 + 2


def test_a_snapshot_that_stands_is_never_the_policy(selector: SnapshotSelector, policy: Path) -> None:
    selector.add(snapshot(), STANDING)
    assert selector.best is None and not policy.exists()
    selector.add(snapshot(), walking(error=0.15, pursuit=0.6))
    assert policy.exists()
    before = selector.best
    selector.add(snapshot(), STANDING)
    assert selector.best == before


def test_standing_still_is_worth_nothing_where_a_movement_is_asked_for() -> None:
    still, ahead = np.zeros((100, 3)), np.tile(0.8 * WALK, (100, 1))
    sent = np.zeros((100, 12))
    assert score_walk(still, sent, WALK, fell=False, rate=20.0).pursuit == 0.0
    assert score_walk(ahead, sent, WALK, fell=False, rate=20.0).pursuit == pytest.approx(0.8)
    assert score_walk(ahead, sent, WALK, fell=True, rate=20.0).pursuit == 0.0
    assert np.isnan(score_walk(still, sent, STAND, fell=False, rate=20.0).pursuit)


def test_the_criterion_is_met_by_two_judgements_in_a_row(selector: SnapshotSelector) -> None:
    met = []
    for scores in (walking(), walking(error=0.2), walking(), walking(), STANDING):
        selector.add(snapshot(), scores)
        met.append(selector.met)
    assert met == [False, False, False, True, True]


def test_a_training_stops_when_its_criterion_is_met(tmp_path: Path) -> None:
    plan = replace(PLAN, updates=10_000, judging=replace(PLAN.judging, target=0.5))
    figures = trained(tmp_path, plan)
    assert figures["met"] and "go_on" not in figures
    assert 30 <= int(str(figures["updates"])) < 100


def test_a_training_that_never_met_its_criterion_says_so_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "plan.yaml", str(tmp_path / "run")
    path.write_text(msgspec.yaml.encode(replace(PLAN, judging=replace(PLAN.judging, commands=AHEAD))).decode())
    words = ["sac", "--config", str(path), "--out", out, "--lockstep", "--no-video", "--json"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "policy.safetensors").write_bytes(b"of another training")
    assert train(words) == NOT_MET
    said = capsys.readouterr()
    figures = msgspec.json.decode(said.out.splitlines()[-1])
    assert figures["met"] is False and figures["policy"] is None
    assert "the criterion was not met" in said.err
    assert figures["go_on"] == f"leash train sac --out {out} --resume --updates 45 --config {path} --lockstep"
    assert "No snapshot followed its commands" in Path(figures["report"]).read_text()
    (tmp_path / "run" / "policy.safetensors").unlink()
    assert train([*figures["go_on"].split()[2:], "--no-video"]) == NOT_MET
    with pytest.raises(UsageError, match=r"holds \d+ of 30 updates; --updates \d+ goes on"):
        train([*words[:5], "--resume", "--lockstep"])


def test_a_policy_is_judged_anew_when_a_training_goes_on(tmp_path: Path) -> None:
    """Its merit under an earlier judging is not what is to be beaten: here the policy has become a bad one."""
    policy = Path(str(trained(tmp_path, PLAN)["policy"]))
    wild = {name: row * (1000 if name == "weight_1" else 1) for name, row in snapshot().weights.items()}
    save_walk_policy(policy, wild, PLAN, load_spec(), {})
    bad = policy.read_bytes()
    trained(tmp_path, replace(PLAN, updates=60, stop=False, judging=replace(PLAN.judging, seconds=1.4)), resume=True)
    assert policy.read_bytes() != bad


def test_a_policy_that_stands_gives_way_once_a_movement_is_asked_for(selector: SnapshotSelector) -> None:
    selector.rescore(walking())
    assert selector.best is not None
    selector.rescore(STANDING)
    assert selector.best is None


def test_more_collectors_go_on_where_the_training_was(tmp_path: Path) -> None:
    """A collector that joins later neither explores at random again nor begins the penalties anew."""
    spec, plan = load_spec(), replace(PLAN, random=400, ramp=400)
    task = WalkTask(plan, spec)
    mine, theirs = multiprocessing.Pipe()
    with (
        SharedProgress(collectors=2, steps=399) as progress,
        ReplayBuffer(capacity=500, columns=task.factory.columns) as replay,
        WeightChannel(size=task.factory.actor().size) as newest,
        WeightChannel(size=task.factory.actor().size) as average,
    ):
        newest.publish(np.zeros(newest.address.size, np.float32))
        places = replay.place, newest.address, None, average.address
        collector = Collector(CollectorJob(task, 1, 2, *places, progress.counts, Pace(0.5, 400, 399)), theirs)
        collector.episode()
        collector.close()
        actions = np.abs(replay.columns["action"][: replay.written - 1]).max(axis=1)
        assert actions[0] > 0.5, "the last of the random steps"
        assert (actions[1:] < 0.5).all()
    mine.close()


@pytest.mark.parametrize(
    ("minutes", "before", "refused"), [(1.0, 0.0, True), (3.0, 0.0, False), (3.0, 2.5, True), (None, 0.0, False)]
)
def test_minutes_in_which_nothing_is_judged_are_refused(minutes: float | None, before: float, refused: bool) -> None:
    plan = WalkTraining(updates=20_000, minutes=minutes, judging=WalkEvaluation(updates=4000))
    if not refused:
        check_minutes(plan, before, 40.0)
        return
    with pytest.raises(
        UsageError, match=r"updates on this machine .40/s., and the first snapshot is judged after 4000"
    ):
        check_minutes(plan, before, 40.0)


def test_a_minute_that_cannot_do_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(msgspec.yaml.encode(replace(PLAN, updates=10**8, judging=WalkEvaluation(updates=10**7))).decode())
    with pytest.raises(UsageError, match="leave them out and bound the --updates"):
        learn(TrainSac(config=path, out=tmp_path / "run", minutes=0.1))
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_what_is_left_is_told_for_this_machine() -> None:
    plan = WalkTraining(updates=20_000, stop=True)
    assert left_over(plan, 8000, 3.0, 20.0) == "at most 10 min left at 20 updates/s"
    assert left_over(replace(plan, stop=False), 8000, 3.0, 40.0) == "5 min left at 40 updates/s"
    assert left_over(replace(plan, minutes=7.0), 8000, 3.0, 20.0) == "at most 4 min left at 20 updates/s"
    assert left_over(plan, 0, 0.0, 0.0) == "measuring the rate"


def test_the_command_line_wins_over_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("{seed: 3, updates: 500, minutes: 9}")
    plan = planned(TrainSac(config=path, seed=0, updates=70, minutes=0.5))
    assert (plan.seed, plan.updates, plan.minutes) == (0, 70, 0.5)
    assert planned(TrainSac(config=path)).seed == 3


def test_a_residual_of_a_plan_that_reflects_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("reflected: 0.2")
    with pytest.raises(UsageError, match="reflected: 0.2 goes with whole targets.*leave one of them out") as refused:
        planned(TrainSac(config=path, residual="trot"))
    assert "\n" not in str(refused.value)


def test_lock_step_takes_no_minutes() -> None:
    with pytest.raises(UsageError, match="--lockstep counts updates"):
        planned(TrainSac(lockstep=True, minutes=3.0))


def test_a_checkpoint_of_a_plan_whose_free_parts_had_other_names_goes_on(tmp_path: Path) -> None:
    from leash_robot.launch.commands.train.sac import FREE
    from leash_robot.policies.rl.checkpoint import check_same, load_checkpoint

    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(WalkTask(PLAN, spec)) as training:
        training.save(path, 0.0, 0.0)
    kept = load_checkpoint(path, spec.hash).info
    older = msgspec.json.decode(kept.plan)
    older["judging"] = {"every": 60.0}
    check_same(path, replace(kept, plan=msgspec.json.encode(older).decode()), PLAN, FREE)
