"""Cloning: the right samples, reproducible, and good enough to walk."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.cloned_policy import ClonedPolicy, load, network_of, untrained
from leash_robot.policies.imitation.bc import BcConfig, Progress, Trained, keep_best, train
from leash_robot.policies.imitation.dart import DisturbedPolicy
from leash_robot.policies.imitation.samples import SampleConfig, samples_of, split
from leash_robot.policies.imitation.training_loop import schedule
from leash_robot.policies.manifest import NetworkConfig, describe
from leash_robot.policies.networks.mlp import Ensemble
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import EpisodeError, PolicyError
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.types import Action, Observation, Tick, unknown
from leash_robot.sim.pybullet.robot import SimPupper
from support.walks import BLIND, Kept, Walker, demonstration, recorded, walk

N = len(BLIND.joints)
SMALL = BcConfig(network=NetworkConfig(members=3, hidden=(32,), horizon=2), steps=200)
EVERYTHING = SampleConfig(FeatureConfig(frames=2), horizon=3, teacher="human", held_out=0.2)
ONES = np.ones(1000)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    folder = tmp_path_factory.mktemp("walks")
    return [recorded(folder, demonstration(seed), seed) for seed in range(4)]


@pytest.fixture(scope="module")
def trained(episodes: list[Episode]) -> Trained:
    return train(episodes, BLIND, SMALL)


def taught(ticks: Sequence[Tick], folder: Path, selection: SampleConfig = EVERYTHING) -> int:
    return len(samples_of(recorded(folder, ticks), BLIND, selection, ONES[: len(ticks)]).features)


def test_a_sample_is_what_was_seen_and_what_was_wanted_then_and_next(episodes: list[Episode]) -> None:
    samples = samples_of(episodes[0], BLIND, EVERYTHING, ONES[:100])
    wanted = (episodes[0].human.joint_pos - BLIND.stand).astype(np.float32)
    assert samples.features.shape == (100, EVERYTHING.features.width(N))
    np.testing.assert_array_equal(samples.targets[40], wanted[40:43])
    np.testing.assert_array_equal(samples.targets[-1], [wanted[-1], np.zeros(N), np.zeros(N)])
    assert samples.known[-3:].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


def test_only_the_teacher_is_learned_from(tmp_path: Path) -> None:
    ticks = demonstration(count=30)
    ticks[10:15] = [replace(tick, wanted=replace(tick.wanted, source="policy")) for tick in ticks[10:15]]
    ticks[20:22] = [replace(tick, wanted=replace(tick.wanted, source="hold")) for tick in ticks[20:22]]
    counts = {
        teacher: taught(ticks, tmp_path, replace(EVERYTHING, teacher=teacher))
        for teacher in ("human", "policy", "both")
    }
    assert counts == {"human": 23, "policy": 5, "both": 28}


def test_a_plan_ends_where_the_teacher_lets_go(tmp_path: Path) -> None:
    ticks = demonstration(count=10)
    ticks[5] = replace(ticks[5], wanted=replace(ticks[5].wanted, source="hold"))
    samples = samples_of(recorded(tmp_path, ticks), BLIND, EVERYTHING, ONES[:10])
    assert samples.known[3:5].tolist() == [[1, 1, 0], [1, 0, 0]]


def test_ticks_without_a_needed_measurement_are_left_out(tmp_path: Path) -> None:
    ticks = demonstration(count=20)
    ticks[10] = replace(ticks[10], obs=replace(ticks[10].obs, gravity=unknown(3)))
    assert taught(ticks, tmp_path) == 20 - EVERYTHING.features.frames


def test_lost_ticks_break_history_and_plans(episodes: list[Episode]) -> None:
    number = episodes[0].number.copy()
    number[50:] += 7
    samples = samples_of(replace(episodes[0], number=number), BLIND, EVERYTHING, ONES[:100])
    assert len(samples.features) == 99
    assert samples.known[48:51].tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]


def test_ticks_of_no_weight_are_left_out_and_others_keep_theirs(episodes: list[Episode]) -> None:
    weight = np.concatenate([np.zeros(60), np.full(40, 2.5)])
    samples = samples_of(episodes[0], BLIND, EVERYTHING, weight)
    assert samples.weight.tolist() == [2.5] * 40


def test_whole_episodes_are_held_out_at_least_one_and_never_all(episodes: list[Episode]) -> None:
    for part in (0.0, 0.5, 0.999):
        learned, held = split(episodes, BLIND, replace(EVERYTHING, held_out=part))
        assert len(learned.features) + len(held.features) == 400
        assert len(learned.features) % 100 == len(held.features) % 100 == 0
        assert len(learned.features) and len(held.features)


def test_an_episode_stays_on_its_side_when_others_join(episodes: list[Episode]) -> None:
    """What was learned from is not held out later; also where the folder grows from two episodes on."""
    before: set[bytes] = set()
    for count in range(2, 5):
        learned, held = split(episodes[:count], BLIND, replace(EVERYTHING, held_out=0.3))
        sides = [
            {part.tobytes() for part in np.split(side.targets, len(side.targets) // 100)} for side in (learned, held)
        ]
        assert before.isdisjoint(sides[1])
        before |= sides[0]


def test_of_a_single_episode_the_end_is_held_out(episodes: list[Episode]) -> None:
    learned, held = split(episodes[:1], BLIND, EVERYTHING)
    assert (len(learned.features), len(held.features)) == (80, 20)


def test_discarded_episodes_change_nothing(episodes: list[Episode], trained: Trained) -> None:
    poisoned = replace(episodes[0], outcome="discarded", joint_pos=episodes[0].joint_pos + 1.0)
    again = train([*episodes, poisoned], BLIND, SMALL)
    assert again.figures == trained.figures


def test_nothing_but_discarded_episodes_is_said(episodes: list[Episode]) -> None:
    with pytest.raises(EpisodeError, match="all of 1 episodes were discarded"):
        train([replace(episodes[0], outcome="discarded")], BLIND, SMALL)


def test_a_recording_without_imu_is_said_with_the_remedy(episodes: list[Episode]) -> None:
    with pytest.raises(EpisodeError, match="--features.no-gravity"):
        train([replace(episodes[0], gravity=np.full((100, 3), np.nan))], BLIND, SMALL)


def test_the_wrong_teacher_is_said(episodes: list[Episode]) -> None:
    with pytest.raises(EpisodeError, match="no tick was driven by 'policy'"):
        train(episodes, BLIND, replace(SMALL, teacher="policy"))


def test_training_is_reproducible_from_its_seed(episodes: list[Episode], trained: Trained) -> None:
    again, other = train(episodes, BLIND, SMALL), train(episodes, BLIND, replace(SMALL, seed=1))
    for name, array in trained.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    assert any(not np.array_equal(array, other.weights[name]) for name, array in trained.weights.items())


def test_progress_is_reported_and_figures_are_those_of_the_weights(episodes: list[Episode], trained: Trained) -> None:
    seen: list[Progress] = []
    again = train(episodes, BLIND, SMALL, report=seen.append)
    assert [progress.step for progress in seen] == [100, 200]
    assert again.figures["held_out_rmse_rad"] == min(progress.held_out_rmse_rad for progress in seen)
    assert trained.figures["samples"] + trained.figures["held_out_samples"] == 400


def test_the_best_weights_are_kept_and_training_stops_when_nothing_improves() -> None:
    network = Ensemble(NetworkConfig(members=1, hidden=(), horizon=1), 1, 1)
    errors = iter([0.5, 0.2, 0.3, 0.4, 0.1])

    def steps() -> Iterator[tuple[int, float]]:
        for step in range(1, 501):
            network.load({name: torch.full_like(value, float(step)) for name, value in network.arrays().items()})
            yield step, 0.0

    config = replace(SMALL, steps=500, patience=2)
    best = keep_best(network, steps(), lambda: next(errors), lambda progress: None, config)
    assert best == 200
    assert {float(value) for array in network.arrays().values() for value in array.flatten()} == {200.0}
    assert list(errors) == [0.1]


@given(st.floats(0, 1))
def test_the_learning_rate_rises_then_falls(part: float) -> None:
    assert 0 <= schedule(part) <= 1
    assert schedule(0.0) == 0.0 and schedule(1.0) == pytest.approx(0.0)
    assert schedule(0.05) > 0.99


def test_the_clone_wants_what_was_demonstrated(trained: Trained, episodes: list[Episode]) -> None:
    assert trained.figures["held_out_rmse_rad"] < 0.05
    clone = ClonedPolicy(trained.manifest, network_of(trained.manifest, trained.weights))
    errors = []
    for tick in demonstration(seed=9):
        action = clone.act(replace(tick.obs, command=tick.wanted.command))
        errors.append(action.joint_pos - tick.wanted.joint_pos)
    assert float(np.sqrt(np.mean(np.square(errors)))) < 0.05


def test_risk_is_low_at_home_and_high_elsewhere(trained: Trained) -> None:
    clone = ClonedPolicy(trained.manifest, network_of(trained.manifest, trained.weights))
    home = [clone.act(replace(tick.obs, command=tick.wanted.command)).risk for tick in demonstration(seed=9)]
    clone.reset()
    rng = np.random.default_rng(0)
    odd = [
        clone.act(replace(tick.obs, joint_pos=rng.uniform(-2, 2, N), gravity=rng.normal(size=3))).risk
        for tick in demonstration(seed=9, count=20)
    ]
    assert all(0 <= risk <= 1 for risk in home + odd)
    assert np.median(home) < 0.5 < np.median(odd)


def test_a_policy_file_runs_as_the_network_that_was_trained(trained: Trained, tmp_path: Path) -> None:
    save_policy(tmp_path / "walk.safetensors", trained.manifest, trained.weights)
    manifest, make = load(tmp_path / "walk.safetensors")
    here, there = make(), ClonedPolicy(trained.manifest, network_of(trained.manifest, trained.weights))
    for tick in demonstration(count=20):
        obs = replace(tick.obs, command=tick.wanted.command)
        np.testing.assert_array_equal(here.act(obs).joint_pos, there.act(obs).joint_pos)
    assert manifest.needs_imu and manifest.kind == "bc"


def test_robots_that_share_a_network_do_not_share_a_past(trained: Trained, tmp_path: Path) -> None:
    save_policy(tmp_path / "walk.safetensors", trained.manifest, trained.weights)
    make = load(tmp_path / "walk.safetensors")[1]
    alone, first, second = make(), make(), make()
    for tick, other in zip(demonstration(seed=1, count=30), demonstration(seed=2, count=30), strict=True):
        expected = alone.act(replace(tick.obs, command=tick.wanted.command))
        got = first.act(replace(tick.obs, command=tick.wanted.command))
        second.act(replace(other.obs, command=other.wanted.command))
        np.testing.assert_array_equal(got.joint_pos, expected.joint_pos)


def test_a_plan_begins_with_the_action_and_stays_within_the_limits(trained: Trained) -> None:
    clone = ClonedPolicy(trained.manifest, network_of(trained.manifest, trained.weights))
    action, chunk = clone.plan(demonstration(count=1)[0].obs)
    assert chunk.shape == (SMALL.network.horizon, N)
    np.testing.assert_array_equal(action.joint_pos, chunk[0])
    assert (chunk >= BLIND.lower).all() and (chunk <= BLIND.upper).all()


def test_the_filter_of_the_manifest_slows_the_targets(trained: Trained) -> None:
    network = network_of(trained.manifest, trained.weights)
    slow = msgspec.structs.replace(trained.manifest, filter_hz=1.0)
    obs = replace(demonstration(count=1)[0].obs, command=np.array([0.3, 0.0, 0.5]))
    free, filtered = ClonedPolicy(trained.manifest, network).plan(obs)[1], ClonedPolicy(slow, network).plan(obs)[1]
    keep = math.exp(-2 * math.pi / BLIND.rate)
    first = BLIND.stand + (1 - keep) * (free[0] - BLIND.stand)
    np.testing.assert_allclose(filtered[0], first, atol=1e-12)
    np.testing.assert_allclose(filtered[1], first + (1 - keep) * (free[1] - first), atol=1e-12)


def test_the_slew_of_the_manifest_lets_the_command_grow(trained: Trained) -> None:
    """As if whoever commands were that patient, also back to zero; a reset forgets how far it was."""
    network = network_of(trained.manifest, trained.weights)
    patient = ClonedPolicy(msgspec.structs.replace(trained.manifest, slew=(0.6, 0.3, 2.0)), network)
    plain, step = ClonedPolicy(trained.manifest, network), np.array([0.6, 0.3, 2.0]) / BLIND.rate
    wanted = [np.array([0.1, -0.3, 0.5])] * 8 + [np.full(3, np.nan)] * 6
    for _ in range(2):
        patient.reset()
        plain.reset()
        followed = np.zeros(3)
        for tick, command in zip(demonstration(count=14), wanted, strict=True):
            followed = followed + np.clip(np.nan_to_num(command) - followed, -step, step)
            got = patient.act(replace(tick.obs, command=command))
            expected = plain.act(replace(tick.obs, command=followed))
            np.testing.assert_array_equal(got.joint_pos, expected.joint_pos)
        assert followed[1] != 0.0


def test_a_manifest_without_a_network_makes_no_clone(trained: Trained) -> None:
    for make in (
        lambda: ClonedPolicy(describe("trot", BLIND), network_of(trained.manifest, trained.weights)),
        lambda: network_of(describe("trot", BLIND), trained.weights),
        lambda: untrained(describe("trot", BLIND)),
    ):
        with pytest.raises(PolicyError, match="no network"):
            make()


def test_members_compute_what_each_would_alone() -> None:
    config = NetworkConfig(members=3, hidden=(8, 6), horizon=1)
    network = Ensemble(config, 5, 4, torch.Generator().manual_seed(0))
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    together = network(x)
    for member in range(3):
        alone = Ensemble(NetworkConfig(members=1, hidden=(8, 6), horizon=1), 5, 4)
        alone.load({name: value[member : member + 1] for name, value in network.arrays().items()})
        torch.testing.assert_close(alone(x)[0], together[member])
    assert {name: tuple(value.shape) for name, value in network.arrays().items()} == shapes(config, 5, 4)


def test_noise_disturbs_what_is_done_and_keeps_what_is_meant(tmp_path: Path) -> None:
    still = [np.zeros(3)]
    clean = walk(Walker(BLIND, still), 200)
    noisy = walk(DisturbedPolicy(Walker(BLIND, still), 0.02, seed=1), 200)
    pushes = np.array([tick.wanted.joint_pos - tick.human.joint_pos for tick in noisy if tick.human is not None])
    assert pushes.shape == (200, N)
    assert 0.01 < pushes.std() < 0.03
    meant = recorded(tmp_path, noisy).human.joint_pos
    np.testing.assert_array_equal(meant, [tick.wanted.joint_pos for tick in clean])


def test_noise_remembers_itself_for_as_long_as_asked() -> None:
    def roughness(memory: float) -> float:
        ticks = walk(DisturbedPolicy(Stand(BLIND), 0.02, memory=memory), 200)
        pushes = np.array([tick.wanted.joint_pos - BLIND.stand for tick in ticks])
        return float(np.diff(pushes, axis=0).std() / pushes.std())

    assert roughness(0.0) > 1.2 > roughness(4.0)


class Resting:
    """Fits `Policy`: holds, then stops."""

    def __init__(self) -> None:
        self.count = 0

    def reset(self) -> None:
        self.count = 0

    def act(self, obs: Observation) -> Action:
        self.count += 1
        return Action(obs.joint_pos, source="hold" if self.count < 3 else "safety")


def test_noise_leaves_holding_and_stopping_alone() -> None:
    for noisy, plain in zip(walk(DisturbedPolicy(Resting(), 0.1), 5), walk(Resting(), 5), strict=True):
        assert noisy.wanted.source == plain.wanted.source
        np.testing.assert_array_equal(noisy.wanted.joint_pos, plain.wanted.joint_pos)


def test_a_clone_walks_in_the_simulator_as_its_demonstrator_did(tmp_path: Path) -> None:
    ahead = [np.array([0.25, 0.0, 0.0]), np.array([0.2, 0.0, 0.3]), np.array([0.25, 0.0, -0.3])]
    with SimPupper(BLIND) as robot:

        def drive(policy: Walker | DisturbedPolicy | ConstantCommand, ticks: int) -> tuple[list[Tick], float]:
            robot.reset()
            kept = Kept()
            run(robot, policy, kept, ticks=ticks)
            assert not robot.fallen
            return kept.ticks, float(robot.truth().position[0])

        noisy = [drive(DisturbedPolicy(Walker(BLIND, ahead), 0.03, seed=seed), 160)[0] for seed in range(4)]
        walks = [recorded(tmp_path, ticks, index) for index, ticks in enumerate(noisy)]
        trained = train(walks, BLIND, replace(SMALL, steps=500))
        shown = drive(Walker(BLIND, ahead[:1]), 100)[1]
        clone = ClonedPolicy(trained.manifest, network_of(trained.manifest, trained.weights))
        walked = drive(ConstantCommand(clone, (0.25, 0.0, 0.0)), 100)[1]
    assert shown > 0.5
    assert walked == pytest.approx(shown, rel=0.2)
