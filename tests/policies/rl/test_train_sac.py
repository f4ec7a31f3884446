"""`leash train sac`: reproducible, resumable, and clear about what is wrong."""

import contextlib
import dataclasses
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from leash_robot.launch.cli import main as leash
from leash_robot.launch.commands.train.sac import FREE, TrainSac, learn, planned, recorded_walks
from leash_robot.launch.composition.training.schema import WalkEvaluation, WalkTraining, load_training
from leash_robot.launch.composition.training.walk_policy import save_walk_policy
from leash_robot.launch.composition.training.walk_task import WalkTask, expert_policy
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.rl.algorithm import flattened
from leash_robot.policies.rl.checkpoint import Arrays, check_same, load_checkpoint, save_checkpoint
from leash_robot.policies.rl.config import Demonstrations
from leash_robot.policies.rl.demonstrations import recorded
from leash_robot.policies.rl.drivers.asynchronous import AsynchronousTraining
from leash_robot.policies.rl.drivers.learner_process import ActorMessage
from leash_robot.policies.rl.drivers.synchronous import SynchronousTraining
from leash_robot.policies.rl.evaluation import SnapshotSelector
from leash_robot.policies.rl.replay_buffer import FINAL
from leash_robot.policies.rl.sac.config import Precision, SacConfig
from leash_robot.policies.rl.task import curriculum_of
from leash_robot.policies.scripted.gait import Trot, TrotConfig
from leash_robot.robot.dataset.episode import Actions, Episode, list_episodes, load_dataset
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.errors import PolicyError, SpecError, UsageError
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.envs.commands import Commands
from leash_robot.sim.envs.rewards import Weights
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.randomization.sampling import Ranges, load_ranges
from support.paths import CONFIGS
from support.recording.disks import files_at_most

PLAN = WalkTraining(
    walk=WalkConfig(seconds=1.5, ranges=Ranges(), commands=Commands(hold=5.0)),
    sac=SacConfig(critic_hidden=(16,), actor_hidden=(16,), batch=16),
    capacity=2000,
    random=20,
    ratio=0.5,
    compiled=False,
    judging=WalkEvaluation(updates=20, episodes=2, seconds=1.5, commands=Commands(stand=1.0), final=2),
)
SHOWN = replace(PLAN, demonstrations=Demonstrations(steps=40, imitate=10))
EXPLORED = replace(PLAN, walk=replace(PLAN.walk, commands=Commands(hold=0.05, again=0.5)), reflected=0.5)
ROUNDS = replace(PLAN, demonstrations=Demonstrations(steps=90, imitate=10, rounds=3))


def filtering(scale: float) -> ActionFilter:
    """All joints with this scale [rad], cut off at 4 Hz."""
    return ActionFilter.with_cutoff(np.full(12, scale), 4.0, load_spec().rate)


def walk(plan: WalkTraining) -> WalkTask:
    return WalkTask(plan, load_spec())


def learned(training: SynchronousTraining) -> Arrays:
    return training.trainer.algorithm.state().arrays


def trained(plan: WalkTraining, episodes: int) -> Arrays:
    with SynchronousTraining(walk(plan)) as training:
        for _ in range(episodes):
            training.episode()
        return learned(training)


def same(one: Arrays, other: Arrays) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("ramp", "steps", "part"), [(0, 0, 1.0), (100, 0, 0.0), (100, 40, 0.4), (100, 900, 1.0)])
def test_penalties_grow_over_the_ramp(ramp: int, steps: int, part: float) -> None:
    with contextlib.closing(walk(replace(PLAN, ramp=ramp)).make_env()) as env:
        env.training_progress(steps)
        assert env._weights.bounce == pytest.approx(part * PLAN.walk.weights.bounce)


def test_the_trot_that_demonstrates_walks_as_the_plan_says() -> None:
    shown = Demonstrations(trot=TrotConfig(height=0.15))
    trot = expert_policy(shown, load_spec())
    assert isinstance(trot, Trot) and trot.config.height == 0.15


@pytest.mark.parametrize(
    "plan", [PLAN, SHOWN, ROUNDS, EXPLORED], ids=["from scratch", "from demonstrations", "in rounds", "explored"]
)
def test_lock_step_is_the_same_from_the_same_seed(plan: WalkTraining) -> None:
    first, again, other = (trained(replace(plan, seed=seed), 3) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("history", range(3))
@pytest.mark.parametrize("plan", [SHOWN, EXPLORED], ids=["from demonstrations", "explored"])
def test_a_resumed_training_goes_on_exactly(plan: WalkTraining, history: int, tmp_path: Path) -> None:
    """Whatever both worlds went through before: how many episodes there were is drawn, and resets between."""
    spec, path, rng = load_spec(), tmp_path / "checkpoint.safetensors", np.random.default_rng([history, 14])
    before, after, resets = (int(number) for number in rng.integers((1, 1, 0), (6, 5, 4)))
    with SynchronousTraining(walk(plan)) as training:
        for _ in range(before):
            training.episode()
        training.save(path, 0.5, 1.0)
        for _ in range(after):
            training.episode()
        straight, steps = learned(training), training.steps
    with SynchronousTraining(walk(plan), resume=load_checkpoint(path, spec.hash)) as training:
        curriculum = curriculum_of(training.env)
        assert curriculum is not None
        remembered = curriculum.curriculum_state
        for seed in range(resets):
            training.env.reset(seed=seed)
        curriculum.curriculum_state = remembered
        for _ in range(after):
            training.episode()
        assert training.steps == steps
        assert same(straight, learned(training))


def test_a_checkpoint_of_another_spec_is_refused(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(PLAN)) as training:
        training.save(path, 0.0, 0.0)
    other = msgspec.structs.replace(spec, rate=10.0)
    with pytest.raises(PolicyError, match=f"trained for spec {spec.hash}, this one is {other.hash}"):
        load_checkpoint(path, other.hash)


def test_a_checkpoint_from_before_the_first_snapshot_was_judged_goes_on(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    selector = SnapshotSelector(walk(PLAN), lambda weights, made: None)
    with SynchronousTraining(walk(PLAN)) as training:
        training.save(path, 0.0, selector.best)
    assert load_checkpoint(path, spec.hash).info.best is None


def test_another_task_does_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(SHOWN)) as training:
        training.save(path, 0.0, 0.0)
    kept = load_checkpoint(path, spec.hash).info
    check_same(path, kept, replace(SHOWN, minutes=99.0, sac=replace(SHOWN.sac, gamma=0.5)), FREE)
    wider = replace(SHOWN, walk=replace(SHOWN.walk, box=(0.3, 0.4, 0.4)))
    for other, said in (
        (wider, r"walk.box \[0.2,0.4,0.4\], this plan says \[0.3"),
        (PLAN, "demonstrations.steps 40, .* 0"),
    ):
        with pytest.raises(PolicyError, match=said):
            check_same(path, kept, other, FREE)
    older = msgspec.json.decode(kept.plan)
    del older["reflected"], older["walk"]["commands"]["again"]
    check_same(path, replace(kept, plan=msgspec.json.encode(older).decode()), SHOWN, FREE)
    with pytest.raises(PolicyError, match="a plan that means nothing now"):
        check_same(path, replace(kept, plan='{"colour": "red"}'), SHOWN, FREE)
    config = tmp_path / "plan.yaml"
    config.write_text(msgspec.yaml.encode(wider).decode())
    with pytest.raises(PolicyError, match="give the same, or start anew"):
        learn(TrainSac(config=config, out=tmp_path, resume=True))


def test_what_was_remembered_is_spread_over_more_or_fewer_collectors(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(SHOWN)) as training:
        training.episode()
        training.save(path, 0.0, 0.0)
        online, shown = training.replay.written, training.demonstrations.written
    kept = load_checkpoint(path, spec.hash)
    with AsynchronousTraining(walk(replace(SHOWN, random=1000)), 2, kept) as training:
        assert [replay.written for replay in training.demonstrations] == [shown, 0]
        assert training.replays[0].written >= online
        training.save(path, 0.0, 0.0)
    both = load_checkpoint(path, spec.hash)
    assert len(both.part("online.1")["end"]) > 0
    with SynchronousTraining(walk(SHOWN), resume=both) as training:
        rows = [both.part(f"online.{number}")["end"] for number in range(2)]
        assert training.replay.written == sum(map(len, rows)) and training.demonstrations.written == shown
        ends = training.replay.columns["end"][: training.replay.written]
        assert ends[len(rows[0]) - 1] == FINAL and ends[-1] == FINAL


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"\x10" + bytes(40))
    with pytest.raises(PolicyError, match="cannot read the checkpoint"):
        load_checkpoint(path, "x")


def test_a_disk_without_room_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(PLAN)) as training:
        training.save(path, 0.1, 0.0)
        training.episode()
        with (
            files_at_most(10_000),
            pytest.raises(PolicyError, match="still holds the last one; make room and --resume"),
        ):
            training.save(path, 0.2, 0.0)
        kept = load_checkpoint(path, spec.hash)
        assert kept.info.minutes == 0.1
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with SynchronousTraining(walk(PLAN), resume=kept) as training:
        training.episode()


def test_free_running_from_demonstrations_makes_a_policy_that_deploys(tmp_path: Path) -> None:
    """Processes, shared memory, judging, checkpoint, resumption, report; then the file walks outside of training."""
    plan = tmp_path / "plan.yaml"
    short = replace(SHOWN, random=0, ratio=4.0, updates=200, stop=False)
    plan.write_text(msgspec.yaml.encode(short).decode())
    figures = learn(TrainSac(config=plan, out=tmp_path / "run", video=False))
    assert figures["steps"] > 0
    assert figures["updates"] >= 190
    assert figures["episodes"] == 2
    policy = Path(figures["policy"])
    assert policy.stat().st_size < 2**20
    manifest = read_manifest(policy)
    assert (manifest.kind, manifest.filter_hz) == ("sac", PLAN.walk.filter_hz)
    assert manifest.network is not None
    assert manifest.network.squash
    assert "judged" in Path(figures["report"]).read_text() or "fresh draws" in Path(figures["report"]).read_text()
    with pytest.raises(PolicyError, match="--resume goes on with it"):
        learn(TrainSac(config=plan, out=tmp_path / "run"))
    plan.write_text(msgspec.yaml.encode(replace(short, updates=figures["updates"] + 100)).decode())
    longer = learn(TrainSac(config=plan, out=tmp_path / "run", resume=True, video=False))
    assert longer["updates"] >= figures["updates"] + 50
    assert longer["minutes"] > figures["minutes"]


@pytest.mark.parametrize("plan", [SHOWN, replace(PLAN, residual="trot")], ids=["whole targets", "residual"])
def test_the_saved_policy_acts_like_the_actor(plan: WalkTraining, tmp_path: Path) -> None:
    """Through scale, squashing, box, filter, features and the trot: the same targets to the last bits of a float."""
    spec = load_spec()
    with SynchronousTraining(walk(plan)) as training:
        for _ in range(2):
            training.episode()
        policy = tmp_path / "policy.safetensors"
        training.evaluate(
            SnapshotSelector(walk(plan), lambda weights, made: save_walk_policy(policy, weights, plan, spec, {})), 0.1
        )
        env, actor = training.env, training.actor
        assert isinstance(env, PupperEnv)
        actor.adopt(flattened(training.trainer.algorithm.weights("average")))
        obs, _ = env.reset(seed=5)
        wanted = []
        for _ in range(15):
            obs = env.step(actor.best(obs))[0]
            wanted.append(env.sent)
    asked = replace(plan, judging=replace(plan.judging, commands=plan.walk.commands))
    recorded_walk = recorded_walks(asked, policy, [5], 0.75)[0]
    # Note: a walk is chaotic; after some steps the last bits of torch and NumPy have grown to be seen
    np.testing.assert_allclose(recorded_walk.targets[:6], wanted[:6], atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 0.01


def test_a_reward_that_is_no_number_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file cannot say such a number; a reward that somebody writes can come to one."""
    plan = replace(PLAN, walk=replace(PLAN.walk, weights=Weights(bounce=float("nan"))))
    monkeypatch.setattr("leash_robot.launch.commands.train.sac.load_training", lambda path: plan)
    with pytest.raises(PolicyError, match="reward of step 0 is not finite .bounce nan"):
        learn(TrainSac(out=tmp_path / "run"))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_training_goes_on_in_the_precision_that_it_began_with(kind: Precision, tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(replace(PLAN, sac=replace(PLAN.sac, precision=kind)))) as training:
        training.save(path, 0.0, 0.0)
    kept = load_checkpoint(path, spec.hash)
    with SynchronousTraining(walk(PLAN), resume=kept) as training:
        assert training.trainer.algorithm.state().precision == kind
    with AsynchronousTraining(walk(PLAN), 1, kept) as free:
        state = free.request(ActorMessage(state=True)).state
        assert state is not None and state.precision == kind


def test_a_free_running_learner_goes_on_with_its_random_numbers(tmp_path: Path) -> None:
    """Without steps there are no updates, so what comes back must be what went in."""
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(replace(PLAN, random=0))) as training:
        training.episode()
        training.save(path, 0.0, 0.0)
        state = training.trainer.algorithm.state()
        luck, rng = state.arrays["luck"], state.rng
    kept = load_checkpoint(path, spec.hash)
    with AsynchronousTraining(walk(replace(PLAN, random=100_000, capacity=200_000)), 1, kept) as training:
        training.save(path, 0.0, 0.0)
    again = load_checkpoint(path, spec.hash)
    assert np.array_equal(again.arrays["luck"], luck)
    assert again.info.rng == rng


@pytest.mark.parametrize("victim", ["collector 0", "learner"])
def test_a_process_that_dies_ends_the_training_with_one_line(victim: str, tmp_path: Path) -> None:
    with AsynchronousTraining(walk(PLAN), 1) as training:
        (process,) = [child for child in multiprocessing.active_children() if child.name == victim]
        process.kill()
        process.join()
        with pytest.raises(PolicyError, match=r"(collector 0|the learner) died .exit code -9."):
            if victim == "learner":
                training.request(ActorMessage())
            else:
                list(training.listen())
    assert not [child for child in multiprocessing.active_children() if child.name in {"learner", "collector 0"}]


def test_demonstrations_out_of_the_box_are_refused(demonstration: tuple[Spec, list[Episode]]) -> None:
    spec, episodes = demonstration
    seen, action, left_out = recorded(episodes, spec, PLAN.features, filtering(0.9))
    assert left_out == 0
    assert len(seen) == len(action) > 20
    assert np.abs(action).max() <= 1
    with pytest.raises(PolicyError, match=r"rad from standing, outside the action box of 0.05 rad; widen"):
        recorded(episodes, spec, PLAN.features, filtering(0.05))


def test_recorded_actions_ask_for_what_was_recorded(demonstration: tuple[Spec, list[Episode]]) -> None:
    spec, episodes = demonstration
    features, action_filter = replace(PLAN.features, frames=1), filtering(0.9)
    _, action, _ = recorded(episodes, spec, features, action_filter)
    offset = episodes[0].sent.joint_pos[0] - spec.stand
    for row, made in enumerate(action, 1):
        offset = offset + action_filter.alpha * (made * 0.9 - offset)
        wanted = episodes[0].human.joint_pos[row] - spec.stand
        np.testing.assert_allclose(offset, wanted, atol=1e-5)


def test_a_recorded_action_is_not_computed_from_a_target_that_is_older_than_a_tick(
    demonstration: tuple[Spec, list[Episode]],
) -> None:
    spec, (whole, *_) = demonstration
    kept = np.delete(np.arange(len(whole)), [10, 11])
    fields = ("number", "time", "late", "age", "joint_pos", "joint_vel", "joint_effort", "gravity", "gyro", "command")
    rows: dict[str, Any] = {name: getattr(whole, name)[kept] for name in fields}
    said: dict[str, Any] = {name: _rows(getattr(whole, name), kept) for name in ("wanted", "sent", "human", "policy")}
    gappy = dataclasses.replace(whole, **rows, **said)
    features = replace(PLAN.features, frames=1)
    made, all_of_it = (recorded([one], spec, features, filtering(0.9)).actions for one in (gappy, whole))
    np.testing.assert_array_equal(made, np.delete(all_of_it, [9, 10, 11], axis=0))


def _rows(actions: Actions, kept: NDArray[np.int64]) -> Actions:
    return Actions(*(getattr(actions, field.name)[kept] for field in dataclasses.fields(actions)))


def test_recorded_targets_that_the_box_cannot_express_are_left_out_and_counted(
    demonstration: tuple[Spec, list[Episode]],
) -> None:
    """They lie inside the box, and the filter on the targets would need an action outside of it to get there."""
    spec, episodes = demonstration
    offset = np.concatenate([episode.human.joint_pos for episode in episodes]) - spec.stand
    box = np.maximum(np.quantile(np.abs(offset), 0.99, axis=0), 0.01) * 1.001
    whole = recorded(episodes, spec, PLAN.features, filtering(2.0))
    made = recorded(episodes, spec, PLAN.features, ActionFilter.with_cutoff(box, 1.0, spec.rate))
    assert made.left_out > 0 and len(made.actions) + made.left_out == len(whole.actions)
    assert np.abs(made.actions).max() <= 1.001


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, list[Episode]]:
    """One recording of the scripted operator in PyBullet."""
    folder = tmp_path_factory.mktemp("demo")
    code = ["collect", str(folder), "--robot", "sim", "--operator", "scripted", "--episodes", "1", "--seconds", "4"]
    before = sys.argv
    sys.argv = ["leash", *code]
    try:
        assert leash() == 0
    finally:
        sys.argv = before
    episodes = load_dataset(list_episodes(folder))
    return episodes[0].spec, episodes


def test_demos_need_somebody_who_demonstrates(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --from too"):
        planned(TrainSac(demos=(tmp_path,)))


def test_a_residual_needs_no_demonstrations(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("demonstrations: {steps: 100}")
    with pytest.raises(UsageError, match="begins as the trot itself"):
        planned(TrainSac(config=plan, residual="trot"))


def test_a_plan_can_name_a_table_of_ranges(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("walk: {seconds: 7, ranges: train}\nseed: 3")
    plan = load_training(path)
    assert plan.walk.ranges == load_ranges("train", CONFIGS / "ranges")
    assert (plan.walk.seconds, plan.seed, plan.sac) == (7.0, 3, WalkTraining().sac)
    path.write_text("walk: {ranges: nowhere}")
    with pytest.raises(
        SpecError, match="no table of ranges is called 'nowhere'; known are hard, inside, outside, train"
    ):
        load_training(path)
    path.write_text("walk: {ranges: train, legs: 5}")
    with pytest.raises(SpecError, match="legs"):
        load_training(path)


def test_a_plan_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("sac: {batchsize: 3}")
    with pytest.raises(Exception, match="batchsize"):
        load_training(path)


def test_a_checkpoint_keeps_what_it_was_given(tmp_path: Path) -> None:
    spec, path = load_spec(), tmp_path / "checkpoint.safetensors"
    with SynchronousTraining(walk(PLAN)) as training:
        training.episode()
        training.save(path, 1.5, 0.25)
        kept = load_checkpoint(path, spec.hash)
        assert kept.info.best == 0.25
        assert msgspec.json.decode(kept.info.plan, type=WalkTraining) == PLAN
        assert same(learned(training), kept.arrays)
        assert len(kept.part("online.0")["end"]) == training.replay.written
    save_checkpoint(path, kept.info, {})
    assert load_checkpoint(path, spec.hash).arrays == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk: {commands: {hold: 0.01}}", r"walk.commands.hold"),
        ("walk: {commands: {vx: [0.5, -0.5]}}", "begins above its end"),
        ("walk: {commands: {vx: [.nan, 0.5]}}", r"walk.commands.vx"),
        ("walk: {weights: {velocity_width: 0}}", r"walk.weights.velocity_width"),
        ("walk: {pushes: {interval: 0}}", r"walk.pushes.interval"),
        ("walk: {box: [.nan, 0.4, 0.4]}", r"walk.box"),
        ("walk: {seconds: 0}", r"walk.seconds"),
        ("walk: {ranges: {mass: [-2, -1]}}", "mass"),
        ("walk: {ranges: {com: 5}}", "com_shift"),
        ("walk: {ranges: {noise: [-3, -1]}}", "noise"),
        ("demonstrations: {share: {updates: 0}}", r"demonstrations.share.updates"),
        ("demonstrations: {share: {frist: 3}}", "frist"),
        ("demonstrations: {trot: {hight: 0.1}}", "hight"),
        ("seed: -1", r"seed"),
        ("{random: 900, capacity: 1000}", "leave no room"),
        ("{residual: trot, reflected: 0.2}", "reflected: 0.2 goes with whole targets"),
        ("walk: {commands: {again: 1.5}}", r"walk.commands.again"),
        ("features: {gravity: false, gyro: false, joint_pos: false, command: false, clock: 0}", "nothing is seen"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=message) as refused:
        load_training(path)
    assert "\n" not in str(refused.value)
