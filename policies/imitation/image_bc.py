"""Training of an image policy: an ensemble learns the commands that were asked for, from augmented pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional

from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.policies.image_policy import centred, disagreement
from leash_robot.policies.imitation.checkpoint import Begun, Control, Interrupted, begun, check_same
from leash_robot.policies.imitation.holdout import bags, held_out, threshold
from leash_robot.policies.imitation.image_samples import Views, mirrored, views_of
from leash_robot.policies.imitation.training_loop import TrainingLoop, risk_scale
from leash_robot.policies.manifest import Manifest, describe
from leash_robot.policies.networks.cnn import Convnet
from leash_robot.policies.policy_file import Weights
from leash_robot.policies.rl.checkpoint import generator_state, resume_generator
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.feature_encoding import Float32
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

HELD_BELOW = "held_below"
"""In a policy's notes: the threshold that told the held-out episodes, for policies which go on from it."""

MEASURED = 2 * 2**20
"""Of pictures that are measured at a time [bytes]."""

Part = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Augment:
    """How pictures and states are varied in training."""

    shift: Annotated[int, Meta(ge=0, le=32)] = 3
    """Largest shift, up, down or to a side [pixels]."""
    mirror: Part = 0.5
    """Part of the pairs that are mirrored."""
    light: Part = 0.25
    """Largest change of brightness, as a share of white, and of contrast, as a share."""
    tint: Part = 0.25
    """Largest change of each colour channel, as a share."""
    swap: Part = 0.3
    """Part of the pictures whose colour channels are permuted."""
    body: Part = 0.05
    """Deviation of the noise on gravity and the gyro."""
    forget: Part = 0.5
    """Part of the pairs in which the past commands are hidden; also that in which the body is."""


@dataclass(frozen=True)
class PixelsTraining:
    """How to train."""

    sight: PixelsConfig = field(default_factory=PixelsConfig)
    steps: Annotated[int, Meta(ge=1)] = 1500
    batch: Annotated[int, Meta(ge=1, le=65536)] = 64
    rate: Annotated[float, Meta(gt=0, le=1)] = 3e-3
    """Highest learning rate; see `leash_robot.policies.imitation.training_loop.schedule`."""
    decay: Part = 1e-3
    """Weight decay."""
    own: Part = 0.8
    """Part of the episodes that each member learns from, so that members can disagree."""
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Part of the episodes that is not learned from but measured."""
    augment: Augment = field(default_factory=Augment)
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


@dataclass(frozen=True, eq=False)
class WarmStart:
    """The policy that training goes on from."""

    weights: Weights
    held_below: float
    """Its threshold for what is held out, which stays: what it learned from is not measured later."""


@dataclass(frozen=True, eq=False)
class TrainedPixels:
    """What training gives."""

    manifest: Manifest
    weights: Weights
    figures: dict[str, float]
    """`samples`, `held_out_samples`, `train_rmse`, `held_out_rmse` in units of the scale; the last one only where
    something was held out."""
    interrupted: Interrupted | None = None
    """Where to go on, when it was stopped before its last step."""


def train_pixels(
    episodes: Sequence[Episode],
    spec: Spec,
    config: PixelsTraining,
    *,
    weights: Sequence[Array],
    start: WarmStart | None = None,
    steps: int | None = None,
    control: Control | None = None,
) -> TrainedPixels:
    """Train on one thread, reproducible from `config.seed`; on from the policy `start`, and so many `steps`, if given.

    `weights` gives each episode's ticks (T,) their share. Memory holds the pictures of a batch, never all of them.
    Raises EpisodeError when there is nothing to learn from, PolicyError for another training to resume.
    """
    torch.set_num_threads(1)
    config = config if steps is None else replace(config, steps=steps)
    control = control or Control()
    options = begun(config, episodes, weights)
    if control.resume is not None:
        check_same(control.resume.facts.begun, options)
    views = views_of(episodes, config.sight, weights)
    below = threshold(present(views), config.held_out) if start is None else start.held_below
    learned, held = split(views, config.held_out, below)
    if not len(learned):
        raise EpisodeError(f"all {len(held)} usable ticks are held out; record more episodes, or start anew")
    network = Convnet(config.sight, torch.Generator().manual_seed(config.seed))
    if start is not None:
        network.load({name: torch.from_numpy(array) for name, array in start.weights.items()})
    interrupted = _descend(network, learned, config, options, control)
    network.eval()
    spread, rmse = measure(network, learned)
    figures: dict[str, float] = {"samples": len(learned), "held_out_samples": len(held), "train_rmse": rmse}
    if len(held):
        spread, figures["held_out_rmse"] = measure(network, held)
    arrays = {name: value.numpy() for name, value in network.arrays().items()}
    manifest = _manifest(spec, config, spread, {**figures, HELD_BELOW: below})
    return TrainedPixels(manifest, arrays, figures, interrupted)


def present(views: Views) -> set[str]:
    """The ids of the episodes that any pair comes from."""
    return {views.identities[number] for number in np.unique(views.episode)}


def split(views: Views, part: float, below: float) -> tuple[Views, Views]:
    """Training and held-out views: the episodes below the threshold (`imitation.holdout`); of a single one,
    its end.
    """
    if len(present(views)) == 1:
        late = np.arange(len(views)) >= max(1, round((1 - part) * len(views)) - 1)
        return views.of(~late), views.of(late)
    held = held_out(views.identities, below)[views.episode]
    return views.of(~held), views.of(held)


def _descend(
    network: Convnet, views: Views, config: PixelsTraining, options: Begun, control: Control
) -> Interrupted | None:
    """Take the gradient steps; where to go on, when it was stopped before the last."""
    optimizer = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.decay)
    loop, rng = TrainingLoop(network, optimizer, config.rate, config.steps), np.random.default_rng(config.seed)
    if control.resume is not None:
        loop.resume(control.resume)
        resume_generator(rng, control.resume.facts.more["rng"])

    def loss(batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        pictures, states, commands, counts = batch
        away = huber(network(pictures, states) - commands)
        return (counts * away).sum() / counts.sum().clamp_min(1)

    for step, value in loop.run(_batches(views, config, rng), loss):
        control.report(step, value)
        if step < config.steps and control.stop():
            return loop.interrupted(options, {"rng": generator_state(rng)})
    return None


def _batches(
    views: Views, config: PixelsTraining, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Augmented pictures (b, 3, h, w), states (b, s), commands (b, 3), and which members learn from them (m, b, 1);
    without end.
    """
    draw = np.cumsum(views.weight.astype(np.float64))
    learners = torch.from_numpy(bags(views.identities, config.sight.members, config.own))
    while True:
        chosen = np.minimum(np.searchsorted(draw, rng.random(config.batch) * draw[-1], side="right"), len(views) - 1)
        varied = _varied(views.of(chosen), config, rng)
        yield *varied, learners[:, torch.from_numpy(views.episode[chosen])][..., None]


def huber(error: Tensor, knee: float = 0.1) -> Tensor:
    """Half the square of a small error, growing linearly beyond the knee, so that a rare wild command pulls less."""
    size = error.abs()
    return torch.where(size < knee, 0.5 * size**2 / knee, size - 0.5 * knee)


def _varied(views: Views, config: PixelsTraining, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Augmented pictures (b, 3, h, w), states (b, s) and commands (b, 3)."""
    augment, count = config.augment, len(views)
    seen = mirrored(config.sight, views, rng.random(count) < augment.mirror)
    pictures = shifted(centred(torch.from_numpy(seen.pictures[:])), augment.shift, rng)
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
        some = _at_once(views)
        for begin in range(0, len(views), some):
            end = begin + some
            pictures = centred(torch.from_numpy(views.pictures[begin:end]))
            made.append(network(pictures, torch.from_numpy(views.states[begin:end])).numpy())
    members = np.concatenate(made, axis=1).astype(np.float64)
    error = members.mean(axis=0) - views.commands
    return disagreement(members), float(np.sqrt((error**2).mean()))


def _at_once(views: Views) -> int:
    """How many pictures are measured at a time, in bounded memory."""
    return max(1, min(256, MEASURED // max(1, views.pictures[:1].nbytes)))


def _manifest(spec: Spec, config: PixelsTraining, spread: Array, figures: dict[str, float]) -> Manifest:
    training: dict[str, Any] = {"seed": config.seed, "steps": config.steps, **figures}
    return msgspec.structs.replace(
        describe("pixels", spec, needs_imu=config.sight.body),
        cameras=(config.sight.camera,),
        pixels=config.sight,
        body=spec,
        risk_scale=risk_scale(spread),
        training=training,
    )
