"""Image policies: what they see, what they learn, their files, and how they drive through a server."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.policies.hierarchical import Steered
from leash_robot.policies.image_observation import ImageHistory, PixelsConfig, picture, state
from leash_robot.policies.image_policy import Pixels, centred, config_of, network_of
from leash_robot.policies.imitation.checkpoint import Control, load_interrupted, save_interrupted
from leash_robot.policies.imitation.holdout import threshold
from leash_robot.policies.imitation.image_bc import (
    HELD_BELOW,
    Augment,
    PixelsTraining,
    TrainedPixels,
    WarmStart,
    present,
    recoloured,
    shifted,
    split,
    train_pixels,
)
from leash_robot.policies.imitation.image_samples import Pictures, Views, mirrored, taught, views_of
from leash_robot.policies.manifest import Manifest, from_json, to_json
from leash_robot.policies.networks.cnn import Convnet, shapes
from leash_robot.policies.policy_file import read_manifest, read_weights, save_policy
from leash_robot.policies.registry import load_pixels, load_policy
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.frame_cache import ImageCache
from leash_robot.robot.errors import EpisodeError, PolicyError
from leash_robot.robot.types import Array, Observation, unknown
from support.pixels import SPEC, observation, record, road

SMALL = PixelsConfig(height=32, width=40, members=2, channels=(4, 4, 4, 4), hidden=16, commands=1, averages=(0.5,))
QUICK = PixelsTraining(sight=SMALL, steps=150, batch=32, rate=5e-3)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    folder = tmp_path_factory.mktemp("roads")
    return [read_episode(record(folder, index)) for index in range(6)]


@pytest.fixture(scope="module")
def trained(episodes: list[Episode]) -> TrainedPixels:
    return train_pixels(episodes, SPEC, QUICK, weights=[np.ones(len(episode)) for episode in episodes])


@pytest.fixture(scope="module")
def file(trained: TrainedPixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "road.safetensors"
    save_policy(path, trained.manifest, trained.weights)
    return path


def test_a_network_learns_to_turn_towards_what_it_sees(file: Path) -> None:
    _, make = load_pixels(file)
    turns = {place: make().act(observation(road(place))).command[2] for place in (-0.8, 0.0, 0.8)}
    assert turns[-0.8] > 0.25 and turns[0.8] < -0.25
    assert abs(turns[0.0]) < 0.2


def test_pictures_of_any_size_are_seen_alike(file: Path) -> None:
    policy = load_pixels(file)[1]()
    small = policy.act(observation(road(0.5))).command
    policy.reset()
    large = policy.act(observation(np.kron(road(0.5), np.ones((6, 6, 1), np.uint8)))).command
    assert large == pytest.approx(small, abs=0.05)


def test_a_policy_file_drives_joints_through_a_gait(file: Path) -> None:
    manifest, make = load_policy(file)
    policy = make()
    assert isinstance(policy, Steered)
    assert (manifest.kind, manifest.cameras, manifest.needs_imu, manifest.body) == ("pixels", ("head",), True, SPEC)
    policy.reset()
    actions = [policy.act(observation(road(0.0), 0.05 * tick)) for tick in range(20)]
    assert actions[-1].joint_pos.shape == (12,) and np.abs(actions[-1].joint_pos - SPEC.stand).max() > 0.02
    assert 0.0 <= actions[-1].risk <= 1.0 and actions[-1].command[0] == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize(
    ("obs", "says"),
    [
        (observation(None), "--camera on"),
        (replace(observation(road(0.0)), gyro=unknown(3)), "IMU"),
    ],
    ids=["no frame", "no IMU"],
)
def test_what_cannot_be_seen_is_named(file: Path, obs: Observation, says: str) -> None:
    manifest = read_manifest(file)
    network = network_of(manifest, read_weights(file, shapes(config_of(manifest)), manifest))
    with pytest.raises(PolicyError, match=says):
        Pixels(manifest, network).act(obs)


def test_risk_is_the_members_disagreement(trained: TrainedPixels) -> None:
    network = network_of(trained.manifest, trained.weights)
    agreed = Pixels(trained.manifest, network).act(observation(road(0.3))).risk
    twin = dict(trained.weights)
    twin["bias_1"] = twin["bias_1"] + np.array([0.0, 0.5], np.float32)[:, None, None]
    doubtful = Pixels(trained.manifest, network_of(trained.manifest, twin)).act(observation(road(0.3))).risk
    assert doubtful > agreed + 0.3


def test_members_do_not_see_one_another() -> None:
    network = Convnet(SMALL, torch.Generator().manual_seed(0))
    pictures, states = centred(torch.from_numpy(road(0.2)[None])), torch.zeros(1, SMALL.state_width)
    before = network(pictures, states)
    arrays = network.arrays()
    for name, value in arrays.items():
        half = len(value) // 2
        value[:half] += 0.3 * torch.randn(value[:half].shape, generator=torch.Generator().manual_seed(1))
        assert tuple(value.shape) == shapes(SMALL)[name]
    network.load(arrays)
    after = network(pictures, states)
    assert not torch.allclose(after[0], before[0], atol=1e-3)
    assert torch.allclose(after[1], before[1], atol=1e-5)


def test_training_is_reproducible_and_goes_on_from_weights(episodes: list[Episode], trained: TrainedPixels) -> None:
    weights = [np.ones(len(episode)) for episode in episodes]
    short = [train_pixels(episodes, SPEC, QUICK, weights=weights, steps=3) for _ in range(2)]
    assert all(np.array_equal(short[0].weights[name], value) for name, value in short[1].weights.items())
    start = WarmStart(trained.weights, float(trained.manifest.training[HELD_BELOW]))
    later = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=1, start=start)
    assert later.figures["held_out_rmse"] < 0.5 * short[0].figures["held_out_rmse"]


def test_ticks_without_weight_are_not_learned(episodes: list[Episode]) -> None:
    weights = [np.arange(len(episode)) % 4 == 0 for episode in episodes]
    views = views_of(episodes, SMALL, [weight.astype(np.float64) for weight in weights])
    assert len(views) == sum(int(weight.sum()) for weight in weights)
    with pytest.raises(EpisodeError, match="no tick"):
        views_of(episodes, SMALL, [0.0 * weight for weight in weights])


def test_each_tick_sees_its_own_frame_and_the_commands_before_it(episodes: list[Episode]) -> None:
    views = views_of(episodes[:1], SMALL, [np.ones(40)])
    stripes = [int(np.argmax(picture[20, :, 0])) for picture in views.pictures]
    assert np.corrcoef(stripes, views.commands[:, 2])[0, 1] < -0.99
    assert views.states[1:, 6:9] == pytest.approx(views.commands[:-1], abs=1e-6)
    assert views.states[0, 6:].tolist() == [0.0] * 6


def test_a_policy_remembers_as_in_its_training(episodes: list[Episode]) -> None:
    """What is remembered while driving is what was remembered of the same commands in the recording."""
    config, episode = msgspec.structs.replace(SMALL, commands=2, averages=(0.2, 1.0)), episodes[0]
    views = views_of([episode], config, [np.ones(len(episode))])
    past = ImageHistory(config, episode.spec.period)
    for row, command in zip(views.states, episode.wanted.command, strict=True):
        assert row[6:] == pytest.approx((past.rows / config.scale).ravel(), abs=1e-6)
        past.add(command)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_a_running_mean_weighs_commands_by_their_age(turns: list[float]) -> None:
    past = ImageHistory(PixelsConfig(commands=0, averages=(0.7,)), period=0.05)
    for turn in turns:
        past.add(np.array([0.0, 0.0, turn]))
    age = 0.05 * np.arange(len(turns))[::-1]
    shares = np.exp(-age / 0.7) * (1 - np.exp(-0.05 / 0.7))
    assert past.rows[0, 2] == pytest.approx(float(shares @ turns))
    past.reset()
    assert not past.rows.any()


def test_the_person_teaches_where_there_is_one_and_the_policy_where_it_drove(episodes: list[Episode]) -> None:
    assert taught(episodes[0]) == pytest.approx(episodes[0].human.command)


def test_held_out_episodes_are_not_learned_from(episodes: list[Episode]) -> None:
    views = views_of(episodes, SMALL, [np.ones(len(episode)) for episode in episodes])
    learned, held = split(views, 0.3, threshold(views.identities, 0.3))
    assert set(learned.episode.tolist()).isdisjoint(held.episode.tolist())
    assert len(learned) + len(held) == len(views)
    alone = split(views.of(views.episode == 0), 0.3, 0.3)
    assert all(len(part) for part in alone)


def test_a_policy_that_goes_on_is_not_measured_on_what_it_learned_from(episodes: list[Episode]) -> None:
    """Whatever joins, is discarded, or comes under another name in another order."""
    ones = {id(episode): np.ones(len(episode)) for episode in episodes}

    def learned(some: list[Episode], start: WarmStart | None) -> tuple[set[str], set[str], WarmStart]:
        weights = [ones[id(episode)] for episode in some]
        made = train_pixels(some, SPEC, QUICK, weights=weights, steps=1, start=start)
        below = float(made.manifest.training[HELD_BELOW])
        sides = split(views_of(some, SMALL, weights), QUICK.held_out, below)
        return present(sides[0]), present(sides[1]), WarmStart(made.weights, below)

    seen: set[str] = set()
    start: WarmStart | None = None
    for some in (episodes[:3], episodes[::-1], episodes[2:], episodes):
        now, held, start = learned(some, start)
        assert not held & seen
        seen |= now


def test_pictures_come_from_the_disk_as_they_would_from_memory(episodes: list[Episode]) -> None:
    views = views_of(episodes, SMALL, [np.ones(len(episode)) for episode in episodes])
    whole = np.concatenate([ImageCache(one.path.parent, (32, 40)).images(one, "head") for one in episodes])
    assert isinstance(views.pictures, Pictures)
    rows = np.array([7, 200, 3, 3, 120])
    np.testing.assert_array_equal(views.pictures[rows], whole[rows])
    np.testing.assert_array_equal(views.of(rows).pictures[1:3], whole[[200, 3]])


def test_training_gives_the_same_from_the_disk_as_from_memory(
    episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = [np.ones(len(episode)) for episode in episodes]
    stored = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=5)

    def held(episodes: Sequence[Episode], config: PixelsConfig, weights: Sequence[Array]) -> Views:
        views = views_of(episodes, config, weights)
        return replace(views, pictures=views.pictures[:])

    monkeypatch.setattr("leash_robot.policies.imitation.image_bc.views_of", held)
    loaded = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=5)
    assert stored.figures == loaded.figures
    assert all(np.array_equal(stored.weights[name], value) for name, value in loaded.weights.items())


def test_an_interrupted_training_goes_on_to_the_same_end(episodes: list[Episode], tmp_path: Path) -> None:
    weights = [np.ones(len(episode)) for episode in episodes]
    whole = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=9)
    stops = iter([False, False, False, True])
    cut = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=9, control=Control(stop=lambda: next(stops)))
    assert cut.interrupted is not None and cut.interrupted.facts.step == 4
    save_interrupted(tmp_path / "cut", cut.interrupted)
    control = Control(resume=load_interrupted(tmp_path / "cut"))
    again = train_pixels(episodes, SPEC, QUICK, weights=weights, steps=9, control=control)
    assert again.interrupted is None and again.figures == whole.figures
    assert all(np.array_equal(again.weights[name], value) for name, value in whole.weights.items())
    with pytest.raises(PolicyError, match="begun with steps 9, this is 10"):
        train_pixels(episodes, SPEC, QUICK, weights=weights, steps=10, control=control)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_a_mirror_of_a_mirror_is_what_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    views = Views(
        rng.integers(0, 255, (5, 32, 40, 3), np.uint8),
        rng.normal(size=(5, SMALL.state_width)).astype(np.float32),
        rng.normal(size=(5, 3)).astype(np.float32),
        np.ones(5, np.float32),
        np.zeros(5, np.int64),
    )
    turned = rng.random(5) < 0.5
    once = mirrored(SMALL, views, turned)
    twice = mirrored(SMALL, once, turned)
    assert np.array_equal(twice.pictures[:], views.pictures[:])
    assert twice.states == pytest.approx(views.states) and twice.commands == pytest.approx(views.commands)
    assert once.commands[turned, 2] == pytest.approx(-views.commands[turned, 2])
    assert once.commands[~turned] == pytest.approx(views.commands[~turned])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 5))
def test_a_shift_moves_a_picture_by_no_more_than_asked(seed: int, most: int) -> None:
    pictures = centred(torch.from_numpy(np.stack([road(0.0)] * 4)))
    moved = shifted(pictures, most, np.random.default_rng(seed))
    assert moved.shape == pictures.shape
    columns = (moved[:, 0, -1] > 0.2).float()
    centres = (columns * torch.arange(40)).sum(dim=1) / columns.sum(dim=1)
    assert ((centres - 19.5).abs() <= most + 0.5).all()


def test_other_light_stays_within_what_a_picture_can_be() -> None:
    pictures = centred(torch.from_numpy(np.stack([road(0.0)] * 8)))
    lit = recoloured(pictures, Augment(light=0.5, tint=0.5, swap=1.0), np.random.default_rng(0))
    assert lit.min() >= -0.5 and lit.max() <= 0.5
    assert not torch.allclose(lit[0], lit[1])
    plain = recoloured(pictures, Augment(light=0.0, tint=0.0, swap=0.0), np.random.default_rng(0))
    assert torch.allclose(plain, pictures, atol=1e-6)


def test_the_state_holds_what_the_config_says() -> None:
    gravity, gyro, past = (
        np.array([0.0, 0.0, -1.0]),
        np.array([0.4, 0.0, 0.0]),
        np.array([[0.25, 0.0, 0.8], [0.5, 0.1, 0.0]]),
    )
    assert state(SMALL, gravity, gyro, past).tolist() == pytest.approx([0, 0, -1, 0.1, 0, 0, 1, 0, 1, 2, 1, 0])
    numb = msgspec.structs.replace(SMALL, body=False, commands=0, averages=())
    assert numb.state_width == len(state(numb, gravity, gyro, past[:0])) == 0
    assert picture(SMALL, Image.blank(0.0, 64, 80)).shape == (32, 40, 3)


def changed(manifest: Manifest, **fields: object) -> Manifest:
    return msgspec.structs.replace(manifest, **fields)


def test_a_manifest_whose_body_is_another_is_refused(trained: TrainedPixels) -> None:
    assert from_json(to_json(trained.manifest)) == trained.manifest
    for wrong in (
        changed(trained.manifest, body=None),
        changed(trained.manifest, pixels=None),
        changed(trained.manifest, body=msgspec.structs.replace(SPEC, name="other")),
    ):
        with pytest.raises(PolicyError, match="body"):
            from_json(to_json(wrong))


def test_a_file_of_another_kind_or_with_other_weights_is_refused(trained: TrainedPixels, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    weights = {name: value for name, value in trained.weights.items() if name != "heat"}
    save_policy(path, trained.manifest, weights)
    with pytest.raises(PolicyError, match="heat"):
        load_policy(path)
    save_policy(path, changed(trained.manifest, kind="trot", pixels=None, body=None), {})
    assert read_manifest(path).pixels is None
    with pytest.raises(PolicyError, match="sees no pixels"):
        load_pixels(path)
