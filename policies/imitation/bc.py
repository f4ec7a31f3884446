"""Behaviour cloning: an ensemble learns the demonstrator's targets from what the robot observes.

Against compounding error: demonstrations recorded with disturbed actions (`policies.imitation.dart`), noise on every
measured feature in training, and past actions that are hidden half of the time, so that they are not just repeated.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Generator, Tensor

from leash_robot.policies.imitation.checkpoint import Interrupted, begun, check_same
from leash_robot.policies.imitation.samples import SampleConfig, Samples, Teacher, split
from leash_robot.policies.imitation.training_loop import TrainingLoop, risk_scale
from leash_robot.policies.manifest import Manifest, NetworkConfig, describe
from leash_robot.policies.networks.mlp import Ensemble
from leash_robot.policies.policy_file import Weights
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, layout
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

EVALUATE_EVERY = 100
"""Steps between two evaluations on what was held out."""

Noise = Annotated[float, Meta(ge=0, le=1e3)]


@dataclass(frozen=True)
class Jitter:
    """Standard deviation of the noise that training adds to what was measured."""

    gravity: Noise = 0.02
    gyro: Noise = 0.1
    """[rad/s]"""
    joint_pos: Noise = 0.02
    """[rad]"""
    joint_vel: Noise = 0.5
    """[rad/s]"""
    actions: Noise = 0.05
    """[rad]"""
    drop_actions: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Part of the samples in which all past actions are hidden."""


@dataclass(frozen=True)
class BcConfig:
    """How to clone."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    teacher: Teacher = "human"
    """Whose proposals are learned: the human's, the policy's, or the human's where there are any, else the policy's."""
    steps: Annotated[int, Meta(ge=1)] = 2000
    batch: Annotated[int, Meta(ge=1, le=65536)] = 256
    """Samples a step, for each member its own."""
    rate: Annotated[float, Meta(gt=0, le=1)] = 2e-3
    """Highest learning rate; it warms up over a twentieth of the steps and falls to zero along a cosine."""
    decay: Annotated[float, Meta(ge=0, le=1)] = 1e-3
    """Weight decay."""
    later: Annotated[float, Meta(ge=0, le=1)] = 0.3
    """Weight of each planned target after the first."""
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.15
    """Part of the episodes that is not learned from but decides when to stop."""
    patience: Annotated[int, Meta(ge=1)] = 10
    """Evaluations on what was held out without improvement before training stops."""
    jitter: Jitter = field(default_factory=Jitter)
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0

    @property
    def selection(self) -> SampleConfig:
        """Which samples are made."""
        return SampleConfig(self.features, self.network.horizon, self.teacher, self.held_out)


@dataclass(frozen=True)
class Progress:
    """How far training is."""

    step: int
    loss: float
    """Mean squared error since the last report, as a share of the action box."""
    held_out_rmse_rad: float


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives."""

    manifest: Manifest
    weights: Weights
    figures: dict[str, float]
    """`steps`, `samples`, `held_out_samples`, `train_rmse_rad`, `held_out_rmse_rad`."""
    interrupted: Interrupted | None = None
    """Where to go on, when it was stopped before its last step."""


@dataclass
class BestWeights:
    """The weights with the lowest held-out error so far, and the losses that were not reported yet."""

    weights: dict[str, Tensor]
    error: float = math.inf
    step: int = 0
    """The step at which they were."""
    last: int = 0
    """The step that training has reached."""
    losses: list[float] = field(default_factory=list)
    """Since the last report."""

    @property
    def facts(self) -> dict[str, Any]:
        """What an interrupted training keeps of it beside the weights."""
        error = None if math.isinf(self.error) else self.error
        return {"error": error, "step": self.step, "losses": self.losses}


def train(
    episodes: Sequence[Episode],
    spec: Spec,
    config: BcConfig,
    *,
    weights: Sequence[Array] | None = None,
    report: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    resume: Interrupted | None = None,
) -> Trained:
    """Clone the demonstrator of these episodes of one body, on one thread, reproducible from `config.seed`.

    `weights` gives each episode's ticks (T,) their share of the learning. After each step `stop` is asked whether to
    end now; `resume` goes on from there, to the same end. Raises EpisodeError when there is nothing to learn from
    (discarded episodes never count), PolicyError for another training to resume.
    """
    torch.set_num_threads(1)
    config = replace(config, features=msgspec.structs.replace(config.features, command_size=len(spec.commanded)))
    options = begun(config, episodes, weights or [np.ones(len(episode)) for episode in episodes])
    if resume is not None:
        check_same(resume.facts.begun, options)
    learned, held = split(episodes, spec, config.selection, weights)
    box = action_box(learned)
    generator = Generator().manual_seed(config.seed)
    network = Ensemble(config.network, learned.features.shape[1], learned.targets[0].size, generator)
    optimizer = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.decay, fused=True)
    loop = TrainingLoop(network, optimizer, config.rate, config.steps)
    best = BestWeights(network.arrays()) if resume is None else _resumed(resume, loop, generator)

    def error() -> float:
        return rmse(network, held, box)

    def loss(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        x, y, counts = batch
        mean: Tensor = (counts * (network(x) - y) ** 2).sum() / counts.sum()
        return mean

    steps = loop.run(batches(learned, box, spec, config, generator), loss)
    keep_best(network, steps, error, report or (lambda progress: None), config, stop=stop, best=best)
    interrupted = None
    if stop() and not _over(best, config):
        parts = {"best": best.weights, "generator": {"state": generator.get_state()}}
        interrupted = loop.interrupted(options, best.facts, **parts)
        _consider(best, network, error())
    network.load(best.weights)
    figures = {
        "steps": best.step,
        "samples": len(learned.features),
        "held_out_samples": len(held.features),
        "train_rmse_rad": rmse(network, learned, box),
        "held_out_rmse_rad": error(),
    }
    return Trained(_manifest(network, held, box, spec, config, figures), _arrays(network), figures, interrupted)


def action_box(samples: Samples) -> Array:
    """Half-range (n,) of targets around the stand pose that holds every demonstrated one with a margin [rad]."""
    widest: Array = np.abs(samples.targets).max(axis=(0, 1)).astype(np.float64)
    return np.maximum(1.1 * widest, 0.05)


def batches(
    samples: Samples, box: Array, spec: Spec, config: BcConfig, generator: Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs (m, b, d), targets (m, b, h n) as a share of the box, and how much each counts; without end."""
    features, weight = torch.from_numpy(samples.features), torch.from_numpy(samples.weight)
    targets, counts = _normalised(samples, box, config.later)
    sigma, actions = _noise(spec, config)
    shape = (config.network.members, config.batch)
    while True:
        drawn = torch.multinomial(weight, math.prod(shape), replacement=True, generator=generator).view(shape)
        x = features[drawn]
        x = x + sigma * torch.randn(x.shape, generator=generator)
        hidden = torch.rand((*shape, 1), generator=generator) < config.jitter.drop_actions
        yield torch.where(hidden & actions, 0.0, x), targets[drawn], counts[drawn]


def keep_best(
    network: Ensemble,
    steps: Iterator[tuple[int, float]],
    evaluate: Callable[[], float],
    report: Callable[[Progress], None],
    config: BcConfig,
    *,
    stop: Callable[[], bool] = lambda: False,
    best: BestWeights | None = None,
) -> int:
    """Run the steps until what was held out no longer improves, or until `stop`; load the best weights so far, unless
    it was stopped, and return their step.
    """
    best = best or BestWeights(network.arrays())
    for step, loss in steps:
        best.last = step
        best.losses.append(loss)
        if step % EVALUATE_EVERY == 0 or step == config.steps:
            error = evaluate()
            report(Progress(step, float(np.mean(best.losses)), error))
            best.losses = []
            _consider(best, network, error)
        if _over(best, config):
            break
        if stop():
            return best.step
    network.load(best.weights)
    return best.step


def _consider(best: BestWeights, network: Ensemble, error: float) -> None:
    """Keep the network's weights if none erred less."""
    if error < best.error:
        best.weights, best.error, best.step = network.arrays(), error, best.last


def _over(best: BestWeights, config: BcConfig) -> bool:
    """Whether all steps are taken, or nothing has improved for too long."""
    evaluated = best.last - best.last % EVALUATE_EVERY
    return best.last >= config.steps or evaluated - best.step >= config.patience * EVALUATE_EVERY


def _resumed(held: Interrupted, loop: TrainingLoop, generator: Generator) -> BestWeights:
    """Put everything where an interrupted training was."""
    loop.resume(held)
    generator.set_state(held.part("generator")["state"])
    more = held.facts.more
    error = math.inf if more["error"] is None else float(more["error"])
    return BestWeights(held.part("best"), error, int(more["step"]), held.facts.step, list(more["losses"]))


def rmse(network: Ensemble, samples: Samples, box: Array) -> float:
    """Root mean square error of the ensemble's mean for the targets of the same tick [rad]."""
    error = (_predicted(network, samples)[:, :, 0].mean(axis=0) * box - samples.targets[:, 0]) ** 2
    return float(np.sqrt(error.mean()))


def _predicted(network: Ensemble, samples: Samples) -> NDArray[np.float32]:
    """Every member's targets (m, N, h, n) as a share of the box."""
    with torch.inference_mode():
        made: NDArray[np.float32] = network(torch.from_numpy(samples.features)).numpy()
    return made.reshape(len(made), *samples.targets.shape)


def _normalised(samples: Samples, box: Array, later: float) -> tuple[Tensor, Tensor]:
    """Targets (N, h n) as a share of the box, and how much each counts (N, h n)."""
    n = len(box)
    importance = np.array([1.0, *[later] * (samples.known.shape[1] - 1)])
    counts = np.repeat(samples.known * importance, n, axis=1)
    targets = (samples.targets / box).reshape(len(counts), -1)
    return torch.from_numpy(targets.astype(np.float32)), torch.from_numpy(counts.astype(np.float32))


def _noise(spec: Spec, config: BcConfig) -> tuple[Tensor, Tensor]:
    """Deviation of the noise on each feature (d,), and which features are past actions (d,)."""
    names, scales = layout(config.features, len(spec.joints))
    sigma = [getattr(config.jitter, name, 0.0) * scale for name, scale in zip(names, scales, strict=True)]
    return torch.tensor(sigma, dtype=torch.float32), torch.tensor([name == "actions" for name in names])


def _manifest(
    network: Ensemble, held: Samples, box: Array, spec: Spec, config: BcConfig, figures: dict[str, float]
) -> Manifest:
    spread = np.sqrt(_predicted(network, held)[:, :, 0].var(axis=0).mean(axis=-1))
    return msgspec.structs.replace(
        describe("bc", spec, needs_imu=config.features.needs_imu),
        features=config.features,
        network=config.network,
        box=tuple(box.tolist()),
        risk_scale=risk_scale(spread),
        training={"seed": config.seed, "teacher": config.teacher, **figures},
    )


def _arrays(network: Ensemble) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in network.arrays().items()}
