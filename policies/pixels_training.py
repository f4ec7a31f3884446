"""Training of an image policy: an ensemble learns the commands that were asked for, from augmented pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from policies.bc import RISKY, schedule
from policies.checkpoint import Weights
from policies.convnet import Convnet
from policies.features import Float32
from policies.manifest import Manifest, describe
from policies.pixels import centred, disagreement
from policies.pixels_samples import Views, mirrored, views_of
from policies.sight import PixelsConfig
from robot.episode import Episode
from robot.spec import Spec
from robot.types import Array


@dataclass(frozen=True)
class Augment:
    """How pictures and states are varied in training."""

    shift: int = 3
    """Largest shift, up, down or to a side [pixels]."""
    mirror: float = 0.5
    """Part of the pairs that are mirrored."""
    light: float = 0.25
    """Largest change of brightness, as a share of white, and of contrast, as a share."""
    tint: float = 0.25
    """Largest change of each colour channel, as a share."""
    swap: float = 0.3
    """Part of the pictures whose colour channels are permuted."""
    body: float = 0.05
    """Deviation of the noise on gravity and the gyro."""
    forget: float = 0.5
    """Part of the pairs in which the past commands are hidden; also that in which the body is."""


@dataclass(frozen=True)
class PixelsTraining:
    """How to train."""

    sight: PixelsConfig = field(default_factory=PixelsConfig)
    steps: int = 1500
    batch: int = 64
    rate: float = 3e-3
    """Highest learning rate; see `policies.bc.schedule`."""
    decay: float = 1e-3
    """Weight decay."""
    own: float = 0.8
    """Part of the episodes that each member learns from, so that members can disagree."""
    held_out: float = 0.1
    """Part of the episodes that is not learned from but measured."""
    augment: Augment = field(default_factory=Augment)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainedPixels:
    """What training gives."""

    manifest: Manifest
    weights: Weights
    figures: dict[str, float]
    """`samples`, `held_out_samples`, `train_rmse`, `held_out_rmse` in units of the scale."""


def train_pixels(
    episodes: Sequence[Episode],
    spec: Spec,
    config: PixelsTraining,
    *,
    weights: Sequence[Array],
    start: Weights | None = None,
    steps: int | None = None,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> TrainedPixels:
    """Train on one thread, reproducible from `config.seed`; from the weights `start`, and so many `steps`, if given.

    `weights` gives each episode's ticks (T,) their share. Raises EpisodeError when there is nothing to learn from.
    """
    torch.set_num_threads(1)
    config = config if steps is None else replace(config, steps=steps)
    generator = torch.Generator().manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    learned, held = split(views_of(episodes, config.sight, weights), config.held_out, rng)
    network = Convnet(config.sight, generator)
    if start is not None:
        network.load({name: torch.from_numpy(array) for name, array in start.items()})
    _descend(network, learned, config, rng, report)
    network.eval()
    spread, held_rmse = measure(network, held)
    figures = {
        "samples": len(learned),
        "held_out_samples": len(held),
        "train_rmse": measure(network, learned)[1],
        "held_out_rmse": held_rmse,
    }
    arrays = {name: value.numpy() for name, value in network.arrays().items()}
    return TrainedPixels(_manifest(spec, config, spread, figures), arrays, figures)


def split(views: Views, part: float, rng: np.random.Generator) -> tuple[Views, Views]:
    """What is learned from and what is held out: whole episodes; of a single one, its end."""
    numbers = np.unique(views.episode)
    if len(numbers) == 1:
        late = np.arange(len(views)) >= max(1, round((1 - part) * len(views)) - 1)
        return views.of(~late), views.of(late)
    chosen = rng.choice(numbers, max(1, round(part * len(numbers))), replace=False)
    held = np.isin(views.episode, chosen)
    return views.of(~held), views.of(held)


def _descend(
    network: Convnet,
    views: Views,
    config: PixelsTraining,
    rng: np.random.Generator,
    report: Callable[[int, float], None],
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.decay)
    draw = np.cumsum(views.weight.astype(np.float64))
    bags = torch.from_numpy(_bags(views, config, rng))
    for step in range(1, config.steps + 1):
        chosen = np.minimum(np.searchsorted(draw, rng.random(config.batch) * draw[-1], side="right"), len(views) - 1)
        pictures, states, commands = _varied(views.of(chosen), config, rng)
        counts = bags[:, torch.from_numpy(views.episode[chosen])][..., None]
        optimizer.param_groups[0]["lr"] = config.rate * schedule(step / config.steps)
        away = huber(network(pictures, states) - commands)
        loss = (counts * away).sum() / counts.sum().clamp_min(1)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        report(step, float(loss.detach()))


def huber(error: Tensor, knee: float = 0.1) -> Tensor:
    """Half the square of a small error, growing linearly beyond the knee, so that a rare wild command pulls less."""
    size = error.abs()
    return torch.where(size < knee, 0.5 * size**2 / knee, size - 0.5 * knee)


def _bags(views: Views, config: PixelsTraining, rng: np.random.Generator) -> Float32:
    """(m, episodes) 1 where a member learns from an episode; each episode has at least one that does."""
    count = int(views.episode.max()) + 1
    bags = rng.random((config.sight.members, count)) < config.own
    bags[rng.integers(config.sight.members, size=count), np.arange(count)] = True
    return bags.astype(np.float32)


def _varied(views: Views, config: PixelsTraining, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Augmented pictures (b, 3, h, w), states (b, s) and commands (b, 3)."""
    augment, count = config.augment, len(views)
    seen = mirrored(config.sight, views, rng.random(count) < augment.mirror)
    pictures = shifted(centred(torch.from_numpy(seen.pictures)), augment.shift, rng)
    return (
        recoloured(pictures, augment, rng),
        torch.from_numpy(_blurred(seen.states, config, rng)),
        torch.from_numpy(seen.commands.astype(np.float32)),
    )


def shifted(pictures: Tensor, most: int, rng: np.random.Generator) -> Tensor:
    """Pictures (b, 3, h, w), each moved by up to `most` pixels; edges are repeated."""
    height, width = pictures.shape[-2:]
    wide = functional.pad(pictures, (most,) * 4, mode="replicate")
    places = rng.integers(0, 2 * most + 1, (len(pictures), 2)).tolist()
    return torch.stack([one[:, y : y + height, x : x + width] for one, (y, x) in zip(wide, places, strict=True)])


def recoloured(pictures: Tensor, augment: Augment, rng: np.random.Generator) -> Tensor:
    """Pictures (b, 3, h, w) under other lights, some with their colour channels permuted."""
    count = len(pictures)
    orders = np.where(rng.random((count, 1)) < augment.swap, rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1),
                      np.arange(3))  # fmt: skip
    pictures = pictures[torch.arange(count)[:, None], torch.from_numpy(orders)]
    gain = (1 + rng.uniform(-augment.tint, augment.tint, (count, 3, 1, 1))) * (
        1 + rng.uniform(-augment.light, augment.light, (count, 1, 1, 1))
    )
    offset = rng.uniform(-augment.light, augment.light, (count, 1, 1, 1))
    varied = pictures * torch.from_numpy(gain.astype(np.float32)) + torch.from_numpy(offset.astype(np.float32))
    return varied.clamp(-0.5, 0.5)


def _blurred(states: Float32, config: PixelsTraining, rng: np.random.Generator) -> Float32:
    """States (b, s) with noise on the body's part, and either part hidden now and then."""
    body = 6 * config.sight.body
    noisy = states + rng.normal(0, 1, states.shape) * np.where(
        np.arange(states.shape[1]) < body, config.augment.body, 0
    )
    hidden = rng.random((len(states), 2)) < config.augment.forget
    noisy[:, :body] *= ~hidden[:, :1]
    noisy[:, body:] *= ~hidden[:, 1:]
    return noisy.astype(np.float32)


def measure(network: Convnet, views: Views) -> tuple[Array, float]:
    """The members' disagreement (N,), and the root mean square error of their mean, both in units of the scale."""
    made = []
    with torch.inference_mode():
        for begin in range(0, len(views), 256):
            end = begin + 256
            pictures = centred(torch.from_numpy(views.pictures[begin:end]))
            made.append(network(pictures, torch.from_numpy(views.states[begin:end])).numpy())
    members = np.concatenate(made, axis=1).astype(np.float64)
    error = members.mean(axis=0) - views.commands
    return disagreement(members), float(np.sqrt((error**2).mean()))


def _manifest(spec: Spec, config: PixelsTraining, spread: Array, figures: dict[str, float]) -> Manifest:
    training: dict[str, Any] = {"seed": config.seed, "steps": config.steps, **figures}
    return msgspec.structs.replace(
        describe("pixels", spec, needs_imu=config.sight.body),
        cameras=(config.sight.camera,),
        pixels=config.sight,
        body=spec,
        risk_scale=max(float(np.quantile(spread, RISKY)), 1e-6),
        training=training,
    )
