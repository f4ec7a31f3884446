"""Soft actor-critic (Haarnoja et al. 2018), read top to bottom: networks, losses, one update, and who keeps the state.

With what made it quick on small robots: LayerNorm critics stacked in one batched matrix product, of which a random
pair is believed (REDQ, RLPD), privileged inputs for the critics alone, several-step targets, an actor that learns on
every few updates only, a phase in which it does not learn at all, and a fading pull towards demonstrations.
Everything is a pure function of dictionaries of tensors, so that one compiler sees a whole update.
"""

import math
import shutil
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch._dynamo.exc import BackendCompilerFailed
from torch.nn import functional

from policies.manifest import NetworkConfig
from policies.networks import shapes

Params = dict[str, Tensor]
Positive = Annotated[float, Meta(gt=0, le=1)]
Width = Annotated[int, Meta(ge=1, le=4096)]

LOG_STD = (-5.0, 0.0)
"""Bounds of the logarithm of the actor's deviation, before the squashing."""
ACTOR_HEAD = 0.01
"""The actor's last layer begins this small: an untrained one asks for the stand pose."""
DECAY = (0.9, 0.999)
"""Of Adam's first and second moments."""


class SacConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to learn."""

    critics: Annotated[int, Meta(ge=1, le=64)] = 2
    believed: Annotated[int, Meta(ge=1, le=64)] = 2
    """How many critics, drawn anew each time, a target's minimum is taken over."""
    critic_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (256, 256)
    actor_hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=4)] = (128, 128)
    batch: Annotated[int, Meta(ge=2, le=65536)] = 256
    critic_rate: Positive = 5e-4
    """Learning rate."""
    actor_rate: Positive = 5e-4
    temperature_rate: Positive = 5e-4
    temperature: Positive = 0.02
    """Where the temperature starts."""
    entropy: Annotated[float, Meta(ge=-10, le=10)] = -0.6
    """Entropy to keep, for each action."""
    gamma: Annotated[float, Meta(gt=0, lt=1)] = 0.98
    tau: Positive = 0.01
    """How fast the targets follow."""
    steps: Annotated[int, Meta(ge=1, le=20)] = 3
    """Of rewards in a target."""
    delay: Annotated[int, Meta(ge=1, le=100)] = 2
    """The actor and the temperature learn on every so many updates."""
    warm_up: Annotated[int, Meta(ge=0)] = 0
    """Updates of the critics alone before the actor learns."""
    ema: Positive = 0.002
    """How fast the averaged actor, the one that is judged and saved, follows."""
    imitation: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """Weight of the pull towards demonstrated actions, where there are any."""
    imitation_updates: Annotated[int, Meta(ge=1)] = 10_000
    """Updates after the warm-up until that pull is gone."""


class Batch(NamedTuple):
    """B samples. d features, p privileged, n actions."""

    obs: Tensor
    """(B, d)"""
    privileged: Tensor
    """(B, p)"""
    action: Tensor
    """(B, n) in [-1, 1]"""
    reward: Tensor
    """(B,) over the steps of the sample"""
    discount: Tensor
    """(B,) what the value after them counts; 0 after a failure"""
    next_obs: Tensor
    next_privileged: Tensor
    demonstrated: Tensor
    """(B,) 1 where the action is one to imitate"""


class Luck(NamedTuple):
    """All randomness of one update, drawn outside, so that compiled and eager runs get the same."""

    next_noise: Tensor
    """(B, n) standard normal"""
    noise: Tensor
    """(B, n) standard normal"""
    believed: Tensor
    """(k,) numbers of the critics that count"""


class Networks(NamedTuple):
    """All that learns, with Adam's moments beside it."""

    actor: Params
    critic: Params
    target: Params
    average: Params
    log_temperature: Tensor
    """()"""
    moments: dict[str, Params]
    """`actor_mean`, `actor_square`, `critic_mean`, `critic_square`, `temperature`"""
    counts: Tensor
    """(2,) steps that the critics' and the actor's Adam took"""


def hidden(params: Params, first: Tensor, layers: int, activate: Callable[[Tensor], Tensor]) -> Tensor:
    """From the first layer's products (m, B, h) of m stacked networks to what the last layer sees (m, B, h)."""
    x = first
    for layer in range(layers):
        if layer > 0:
            x = torch.bmm(x, params[f"weight_{layer}"])
        x = functional.layer_norm(x + params[f"bias_{layer}"], x.shape[-1:])
        x = activate(x * params[f"gain_{layer}"] + params[f"shift_{layer}"])
    return x


def values(params: Params, layers: int, context: Tensor, action: Tensor) -> Tensor:
    """What each critic (m, B) thinks of actions (B, n) in contexts (B, d + p)."""
    weight, split = params["weight_0"], context.shape[-1]
    # Note: two products, so that an actor's gradient goes through the columns of the action alone.
    first = torch.matmul(context, weight[:, :split]) + torch.matmul(action, weight[:, split:])
    x = hidden(params, first, layers, torch.relu)
    # Note: a product with a single column is many times slower as a matrix product than as a sum.
    return (x * params[f"weight_{layers}"].transpose(1, 2)).sum(-1) + params[f"bias_{layers}"][:, :, 0]


def distribution(params: Params, layers: int, obs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and logarithm of the deviation (B, n) of the actor's Gaussian, before the squashing."""
    x = hidden(params, torch.bmm(obs[None], params["weight_0"]), layers, functional.silu)
    mean, raw = (torch.bmm(x, params[f"weight_{layers}"]) + params[f"bias_{layers}"])[0].chunk(2, -1)
    low, high = LOG_STD
    return mean, low + 0.5 * (high - low) * (torch.tanh(raw) + 1.0)


def act(params: Params, layers: int, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Actions (B, n) in (-1, 1), their log density (B,), and the mean before squashing (B, n)."""
    mean, log_std = distribution(params, layers, obs)
    before = mean + log_std.exp() * noise
    # Note: log(1 - tanh(u)^2), written so that it is exact for large u (Haarnoja's own code has the same identity).
    squash = 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
    density = (-0.5 * noise * noise - log_std - 0.5 * math.log(2 * math.pi) - squash).sum(-1)
    return torch.tanh(before), density, mean


def adam(params: Params, gradients: Params, moments: tuple[Params, Params], count: Tensor, rate: float) -> None:
    """One step of Adam (Kingma and Ba 2015) in place; `count` is its number, from 1."""
    first, second = DECAY
    scale, spread = rate / (1 - first**count), 1 / (1 - second**count)
    for name, value in params.items():
        gradient, mean, square = gradients[name], moments[0][name], moments[1][name]
        mean.copy_(first * mean + (1 - first) * gradient)
        square.copy_(second * square + (1 - second) * gradient * gradient)
        value.copy_(value - scale * mean / ((square * spread).sqrt() + 1e-8))


def follow(targets: Params, params: Params, rate: float) -> None:
    """Move each target a part of the way."""
    for name, value in targets.items():
        value.copy_(value + rate * (params[name] - value))


def learn_critic(nets: Networks, batch: Batch, luck: Luck, config: SacConfig) -> Tensor:
    """Fit the critics to what followed; returns loss and mean value (2,)."""
    layers = len(config.critic_hidden)
    action, density, _ = act(nets.actor, len(config.actor_hidden), batch.next_obs, luck.next_noise)
    after = values(nets.target, layers, torch.cat([batch.next_obs, batch.next_privileged], -1), action)
    if config.believed < config.critics:
        after = after[luck.believed]
    soft = after.amin(0) - nets.log_temperature.exp() * density
    target = batch.reward + batch.discount * soft
    context = torch.cat([batch.obs, batch.privileged], -1)

    def loss(params: Params) -> tuple[Tensor, Tensor]:
        guess = values(params, layers, context, batch.action)
        return ((guess - target) ** 2).mean(-1).sum(), guess.mean()

    gradients, (error, mean) = torch.func.grad_and_value(loss, has_aux=True)(nets.critic)
    nets.counts[0].add_(1)
    moments = nets.moments["critic_mean"], nets.moments["critic_square"]
    adam(nets.critic, gradients, moments, nets.counts[0], config.critic_rate)
    follow(nets.target, nets.critic, config.tau)
    return torch.stack([error, mean])


def learn_actor(nets: Networks, batch: Batch, luck: Luck, pull: Tensor, config: SacConfig) -> Tensor:
    """Do what the critics like; returns loss, entropy and temperature (3,)."""
    layers = len(config.critic_hidden)
    temperature = nets.log_temperature.exp()
    context = torch.cat([batch.obs, batch.privileged], -1)

    def loss(params: Params) -> tuple[Tensor, Tensor]:
        action, density, mean = act(params, len(config.actor_hidden), batch.obs, luck.noise)
        worth = values(nets.critic, layers, context, action)
        worth = worth.amin(0) if config.critics == 2 else worth.mean(0)
        apart = ((torch.tanh(mean) - batch.action) ** 2).sum(-1) * batch.demonstrated
        return (temperature * density - worth + pull * apart).mean(), density.mean()

    gradients, (error, density) = torch.func.grad_and_value(loss, has_aux=True)(nets.actor)
    nets.counts[1].add_(1)
    adam(
        nets.actor,
        gradients,
        (nets.moments["actor_mean"], nets.moments["actor_square"]),
        nets.counts[1],
        config.actor_rate,
    )
    follow(nets.average, nets.actor, config.ema)
    surprise = -density - config.entropy * batch.action.shape[-1]
    own = {"log": nets.log_temperature}
    moments = nets.moments["temperature"]
    adam(
        own,
        {"log": surprise},
        ({"log": moments["mean"]}, {"log": moments["square"]}),
        nets.counts[1],
        config.temperature_rate,
    )
    return torch.stack([error, -density, temperature])


class Learner:
    """Owns the networks and the randomness of learning; the same from the same seed."""

    def __init__(self, config: SacConfig, sizes: "Sizes", *, seed: int = 0, compiled: bool = True) -> None:
        torch.set_num_threads(1)
        self.config = config
        self.sizes = sizes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.updates = 0
        """How many updates were made."""
        self._generator = Generator().manual_seed(seed)
        self.nets = _to(born(config, sizes, self._generator), self.device)
        self._learn_critic = _compiled(learn_critic) if compiled else learn_critic
        self._learn_actor = _compiled(learn_actor) if compiled else learn_actor
        self.figures = np.zeros(5, np.float32)
        """Latest critic loss, mean value, actor loss, entropy, temperature."""

    def update(self, batch: Batch) -> None:
        """Learn from one batch: the critics always, the actor when it is its turn."""
        batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
        luck = self._luck(len(batch.reward))
        critic = self._learn_critic(self.nets, batch, luck, self.config)
        self.updates += 1
        late = self.updates - self.config.warm_up
        if late > 0 and late % self.config.delay == 0:
            pull = self.config.imitation * max(0.0, 1.0 - late / self.config.imitation_updates)
            actor = self._learn_actor(self.nets, batch, luck, torch.tensor(pull, device=self.device), self.config)
            self.figures[2:] = actor.cpu().numpy()
        self.figures[:2] = critic.cpu().numpy()

    def imitate(self, obs: Tensor, action: Tensor, rate: float) -> float:
        """Move the actor's mean for these features towards these actions; returns the mean squared error."""

        def loss(params: Params) -> Tensor:
            mean, _ = distribution(params, len(self.config.actor_hidden), obs)
            return ((torch.tanh(mean) - action) ** 2).mean()

        gradients, error = torch.func.grad_and_value(loss)(self.nets.actor)
        self.nets.counts[1].add_(1)
        moments = self.nets.moments["actor_mean"], self.nets.moments["actor_square"]
        adam(self.nets.actor, gradients, moments, self.nets.counts[1], rate)
        return float(error)

    def settle(self) -> None:
        """Begin reinforcement: forget the momentum of imitation, and average from here."""
        self.nets.counts[1].zero_()
        for part in ("actor_mean", "actor_square"):
            for value in self.nets.moments[part].values():
                value.zero_()
        follow(self.nets.average, self.nets.actor, 1.0)

    def _luck(self, count: int) -> Luck:
        noise = torch.randn((2, count, self.sizes.actions), generator=self._generator)
        believed = torch.randperm(self.config.critics, generator=self._generator)[: self.config.believed]
        return Luck(*(part.to(self.device) for part in (noise[0], noise[1], believed)))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Everything that learns, by name; see `adopt`."""
        return {name: value.detach().cpu().numpy().copy() for name, value in named(self.nets).items()}

    def arrays_of(self, part: str) -> dict[str, NDArray[np.float32]]:
        """One network's weights, named as in `arrays`."""
        params: Params = getattr(self.nets, part)
        return {f"{part}.{name}": value.detach().cpu().numpy() for name, value in params.items()}

    def adopt(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Continue from there. Raises KeyError for a name that is missing."""
        for name, value in named(self.nets).items():
            value.copy_(torch.from_numpy(arrays[name]).reshape(value.shape))

    def luck_state(self) -> NDArray[np.uint8]:
        """Where the randomness is."""
        state: NDArray[np.uint8] = self._generator.get_state().numpy()
        return state

    def resume_luck(self, state: NDArray[np.uint8]) -> None:
        """Go on with the randomness from there."""
        self._generator.set_state(torch.from_numpy(state))


class Sizes(NamedTuple):
    """Lengths of what goes in and out."""

    obs: int
    privileged: int
    actions: int


def born(config: SacConfig, sizes: Sizes, generator: Generator) -> Networks:
    """Fresh networks."""
    actor = _fresh(actor_shapes(config, sizes), generator)
    actor[f"weight_{len(config.actor_hidden)}"] *= ACTOR_HEAD
    critic = _fresh(critic_shapes(config, sizes), generator)
    moments = {
        f"{name}_{kind}": _zeros(net)
        for name, net in (("actor", actor), ("critic", critic))
        for kind in ("mean", "square")
    }
    moments["temperature"] = {"mean": torch.zeros(()), "square": torch.zeros(())}
    temperature = torch.tensor(math.log(config.temperature))
    return Networks(actor, critic, _copy(critic), _copy(actor), temperature, moments, torch.zeros(2))


def actor_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the actor's weights; its outputs are the means, then what becomes the deviations."""
    return shapes(NetworkConfig(1, config.actor_hidden, 1), sizes.obs, 2 * sizes.actions)


def critic_shapes(config: SacConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of the critics' weights."""
    return shapes(NetworkConfig(config.critics, config.critic_hidden, 1), sum(sizes), 1)


def named(nets: Networks) -> dict[str, Tensor]:
    """Every tensor of the networks under a flat name."""
    parts = {"actor": nets.actor, "critic": nets.critic, "target": nets.target, "average": nets.average, **nets.moments}
    flat = {f"{part}.{name}": value for part, params in parts.items() for name, value in params.items()}
    return {**flat, "log_temperature": nets.log_temperature, "counts": nets.counts}


def _fresh(wanted: Mapping[str, tuple[int, ...]], generator: Generator) -> Params:
    made: Params = {}
    for name, shape in wanted.items():
        if name.startswith("weight"):
            made[name] = (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(shape[1])
        else:
            made[name] = torch.ones(shape) if name.startswith("gain") else torch.zeros(shape)
    return made


def _zeros(params: Params) -> Params:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _copy(params: Params) -> Params:
    return {name: value.clone() for name, value in params.items()}


def _to(nets: Networks, device: torch.device) -> Networks:
    def moved(params: Params) -> Params:
        return {name: value.to(device) for name, value in params.items()}

    actor, critic, target, average, temperature, moments, counts = nets
    rest = {name: moved(params) for name, params in moments.items()}
    four = (moved(actor), moved(critic), moved(target), moved(average))
    return Networks(*four, temperature.to(device), rest, counts.to(device))


def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function as machine code, where a compiler is there and works; otherwise as it is."""
    if not (shutil.which("c++") or shutil.which("g++")):
        return function
    machine = torch.compile(function, fullgraph=True, dynamic=False)
    chosen: list[Callable[..., Tensor]] = []

    def call(*args: object) -> Tensor:
        if chosen:
            return chosen[0](*args)
        try:
            made: Tensor = machine(*args)
        except BackendCompilerFailed as error:  # for one, a cache that a killed compiler left half written
            warnings.warn(f"the learner runs uncompiled: {str(error).splitlines()[0]}", RuntimeWarning, stacklevel=2)
            chosen.append(function)
            return function(*args)
        chosen.append(machine)
        return made

    return call
