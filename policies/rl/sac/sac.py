"""Soft actor-critic (Haarnoja et al. 2018), read top to bottom: losses, one update, and who keeps the state.

With what made it quick on small robots: LayerNorm critics stacked in one batched matrix product, of which a random
pair is believed (REDQ, RLPD), privileged inputs for the critics alone, several-step targets, an actor that learns on
every few updates only, a phase in which it does not learn at all, and a fading pull towards demonstrations.
Everything is a function of dictionaries of tensors, forward and back, so that one compiler sees a whole update.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from leash_robot.policies.rl.sac.compiled import machine_code
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.networks import (
    Draw,
    Params,
    Passed,
    act,
    back,
    distribution,
    judge,
    multiply,
    relu_slope,
    silu_slope,
    values,
)
from leash_robot.policies.rl.sac.precision import kind_of, settled
from leash_robot.policies.rl.sac.state import Networks, born, moved, named
from leash_robot.robot.errors import PolicyError

DECAY = (0.9, 0.999)
"""Of Adam's first and second moments."""
TIMED = 8
"""Updates over which the rate of this machine is measured."""


class Batch(NamedTuple):
    """B samples. d features, p privileged, n actions."""

    obs: Tensor
    """(B, d)"""
    privileged: Tensor
    """(B, p)"""
    action: Tensor
    """(B, n) as it was carried out; outside [-1, 1] where a person did what the action box cannot express"""
    reward: Tensor
    """(B,) over the steps of the sample"""
    discount: Tensor
    """(B,) what the value after them counts; 0 after a failure"""
    next_obs: Tensor
    next_privileged: Tensor
    demonstrated: Tensor
    """(B,) 1 where somebody showed what to do, and the action box can express it"""
    wanted: Tensor
    """(B, n) what they would have done there, which need not be what was done; elsewhere it means nothing"""


class Luck(NamedTuple):
    """All randomness of one update, drawn outside, so that compiled and eager runs get the same."""

    next_noise: Tensor
    """(B, n) standard normal"""
    noise: Tensor
    """(B, n) standard normal"""
    believed: Tensor
    """(k,) numbers of the critics that count"""


def pace_at(count: float, rate: float) -> tuple[float, float]:
    """What Adam makes of its moments at this step, from 1: how far to go, and how far the squares are unbiased."""
    first, second = DECAY
    return rate / (1 - first**count), 1 / (1 - second**count)


def adam(params: Params, gradients: Params, moments: tuple[Params, Params], pace: Tensor) -> None:
    """One step of Adam (Kingma and Ba 2015) in place; `pace` (2,) is what `pace_at` says of it."""
    first, second = DECAY
    for name, value in params.items():
        gradient, mean, square = gradients[name], moments[0][name], moments[1][name]
        mean.copy_(first * mean + (1 - first) * gradient)
        square.copy_(second * square + (1 - second) * gradient * gradient)
        value.copy_(value - pace[0] * mean / ((square * pace[1]).sqrt() + 1e-8))


def follow(targets: Params, params: Params, rate: float) -> None:
    """Move each target a part of the way."""
    for name, value in targets.items():
        value.copy_(value + rate * (params[name] - value))


def learn_critic(nets: Networks, batch: Batch, luck: Luck, paces: Tensor, config: SacConfig) -> Tensor:
    """Fit the critics to what followed; returns loss and mean value (2,). `paces` (3, 2) of all Adams."""
    drawn, _, _ = act(nets.actor, len(config.actor_hidden), batch.next_obs, luck.next_noise, kind_of(config))
    return fit(nets, batch, luck, drawn.action, drawn.density, paces, config)


def learn_both(nets: Networks, batch: Batch, luck: Luck, paces: Tensor, pull: Tensor, config: SacConfig) -> Tensor:
    """Fit the critics, then do what they like; returns what `fit` and `improve` do (5,)."""
    count = len(batch.reward)
    obs, noise = torch.cat([batch.obs, batch.next_obs]), torch.cat([luck.noise, luck.next_noise])
    drawn, last, passed = act(nets.actor, len(config.actor_hidden), obs, noise, kind_of(config))
    critic = fit(nets, batch, luck, drawn.action[count:], drawn.density[count:], paces, config)
    now = Draw(*(part[:count] for part in drawn))
    kept = [Passed(*(part[:, :count] for part in layer)) for layer in passed]
    return torch.cat([critic, improve(nets, batch, luck, (now, last[:, :count], kept), paces, pull, config)])


def fit(
    nets: Networks, batch: Batch, luck: Luck, action: Tensor, density: Tensor, paces: Tensor, config: SacConfig
) -> Tensor:
    """Fit the critics to what followed, where this action (B, n) would be drawn; returns loss and mean value (2,)."""
    layers, kind = len(config.critic_hidden), kind_of(config)
    after = values(nets.target, layers, torch.cat([batch.next_obs, batch.next_privileged], -1), action, kind)
    if config.believed < config.critics:
        after = after[luck.believed]
    target = batch.reward + batch.discount * (after.amin(0) - nets.log_temperature.exp() * density)
    context = torch.cat([batch.obs, batch.privileged], -1)
    guess, last, passed = judge(nets.critic, layers, context, batch.action, kind)
    error = guess - target
    pull = (2.0 / error.shape[1]) * error[:, :, None]
    upstream = pull * nets.critic[f"weight_{layers}"].transpose(1, 2)
    _, gradients = back(nets.critic, passed, relu_slope, upstream, kind, learn=True)
    gradients[f"weight_{layers}"] = (last * pull).sum(1)[:, :, None]
    gradients[f"bias_{layers}"] = pull.sum(1, keepdim=True)
    adam(nets.critic, gradients, (nets.moments["critic_mean"], nets.moments["critic_square"]), paces[0])
    follow(nets.target, nets.critic, config.tau)
    return torch.stack([(error * error).mean(-1).sum(), guess.mean()])


def improve(
    nets: Networks,
    batch: Batch,
    luck: Luck,
    acted: tuple[Draw, Tensor, list[Passed]],
    paces: Tensor,
    pull: Tensor,
    config: SacConfig,
) -> Tensor:
    """Do what the critics like; returns loss, entropy and temperature (3,)."""
    layers, count, kind = len(config.actor_hidden), len(batch.reward), kind_of(config)
    temperature = nets.log_temperature.exp()
    drawn, last, passed = acted
    worth, by_action = liked(nets.critic, torch.cat([batch.obs, batch.privileged], -1), drawn.action, config)
    # Of the mean over the batch of: temperature * density - worth + pull * (tanh(mean) - shown)^2, where what is shown
    # is what a demonstrator wanted, and elsewhere, pulled by the anchor, what the first actor would do.
    before = ((temperature * 2.0 * drawn.action) - by_action * (1.0 - drawn.action**2)) / count
    apart = torch.tanh(drawn.mean)
    away = pull * batch.demonstrated[:, None] * (apart - batch.wanted)
    if config.anchor > 0:
        away = away + config.anchor * (apart - torch.tanh(distribution(nets.first, layers, batch.obs)[0]))
    shown = (2.0 / count) * away * (1.0 - apart * apart)
    spread = (before * drawn.deviation * luck.noise - temperature / count) * drawn.bend
    outputs = torch.cat([before + shown, spread], -1)[None]
    upstream = torch.bmm(outputs, nets.actor[f"weight_{layers}"].transpose(1, 2))
    _, gradients = back(nets.actor, passed, silu_slope, upstream, kind, learn=True)
    gradients[f"weight_{layers}"] = torch.bmm(last.transpose(1, 2), outputs)
    gradients[f"bias_{layers}"] = outputs.sum(1, keepdim=True)
    adam(nets.actor, gradients, (nets.moments["actor_mean"], nets.moments["actor_square"]), paces[1])
    follow(nets.average, nets.actor, config.ema)
    density = drawn.density.mean()
    warm(nets, density, batch.action.shape[-1], paces[2], config)
    return torch.stack([temperature * density - worth.mean(), -density, temperature])


def liked(critic: Params, context: Tensor, action: Tensor, config: SacConfig) -> tuple[Tensor, Tensor]:
    """What actions (B, n) are worth (B,), and its derivative by them: of two critics the lower, else the mean."""
    layers, kind = len(config.critic_hidden), kind_of(config)
    every, _, passed = judge(critic, layers, context, action, kind)
    if config.critics == 2:
        worth = every.amin(0)
        share = (every == worth).to(every.dtype)
        share = share / share.sum(0)
    else:
        worth, share = every.mean(0), torch.full_like(every, 1.0 / config.critics)
    upstream = share[:, :, None] * critic[f"weight_{layers}"].transpose(1, 2)
    inner, _ = back(critic, passed, relu_slope, upstream, kind, learn=False)
    columns = critic["weight_0"][:, context.shape[-1] :]
    return worth, multiply(inner.to(kind), columns.to(kind).transpose(1, 2)).sum(0)


def warm(nets: Networks, density: Tensor, actions: int, pace: Tensor, config: SacConfig) -> None:
    """Move the temperature so that the entropy becomes what is wanted."""
    own, moments = {"log": nets.log_temperature}, nets.moments["temperature"]
    surprise = -density - config.entropy * actions
    pair = {"log": moments["mean"]}, {"log": moments["square"]}
    adam(own, {"log": surprise}, pair, pace)


class Learner:
    """Owns the networks and the randomness of learning; the same from the same seed."""

    def __init__(self, config: SacConfig, sizes: Sizes, *, seed: int = 0, compiled: bool = True) -> None:
        torch.set_num_threads(1)
        self.config = config = settled(config)
        self.sizes = sizes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.updates = 0
        """How many updates were made."""
        self._generator = Generator().manual_seed(seed)
        self.nets = moved(born(config, sizes, self._generator), self.device)
        self._learn_critic = machine_code(learn_critic) if compiled else learn_critic
        self._learn_both = machine_code(learn_both) if compiled else learn_both
        self.figures = np.zeros(5, np.float32)
        """Latest critic loss, mean value, actor loss, entropy, temperature."""

    def prepare(self) -> float:
        """Compile now, on numbers that mean nothing, so that no update waits for it; nothing changes.

        Returns how many updates this machine makes in a second of CPU time, measured over a few.
        """
        count, sizes = self.config.batch, self.sizes
        widths = sizes.obs, sizes.privileged, sizes.actions, sizes.obs, sizes.privileged
        rows = [torch.zeros(count, width, device=self.device) for width in widths]
        flat = [torch.zeros(count, device=self.device) for _ in range(3)]
        batch = Batch(rows[0], rows[1], rows[2], flat[0], flat[1], rows[3], rows[4], flat[2], rows[2])
        spare = Generator().manual_seed(0)
        nets, luck = moved(born(self.config, sizes, spare), self.device), self._luck(count, spare)
        paces = self._paces(nets)
        pull, delay = torch.tensor(0.0, device=self.device), self.config.delay

        def learn(*, acts: bool) -> None:
            if acts:
                self._learn_both(nets, batch, luck, paces, pull, self.config)
            else:
                self._learn_critic(nets, batch, luck, paces, self.config)

        learn(acts=False)
        learn(acts=True)
        began = time.process_time()
        for number in range(TIMED):
            learn(acts=number % delay == 0)
        return TIMED / max(1e-9, time.process_time() - began)

    def update(self, batch: Batch) -> None:
        """Learn from one batch: the critics always, the actor when it is its turn."""
        batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
        luck = self._luck(len(batch.reward), self._generator)
        self.updates += 1
        late = self.updates - self.config.warm_up
        acts = late > 0 and late % self.config.delay == 0
        self.nets.counts.add_(torch.tensor([1.0, float(acts)], device=self.device))
        paces = self._paces(self.nets)
        if acts:
            pull = self.config.imitation * max(0.0, 1.0 - late / self.config.imitation_updates)
            weight = torch.tensor(pull, device=self.device)
            self.figures[:] = self._learn_both(self.nets, batch, luck, paces, weight, self.config).cpu().numpy()
        else:
            self.figures[:2] = self._learn_critic(self.nets, batch, luck, paces, self.config).cpu().numpy()

    def imitate(self, obs: Tensor, action: Tensor, rate: float) -> float:
        """Move the actor's mean for these features towards these actions; returns the mean squared error."""

        def loss(params: Params) -> Tensor:
            mean, _ = distribution(params, len(self.config.actor_hidden), obs)
            return ((torch.tanh(mean) - action) ** 2).mean()

        obs, action = obs.to(self.device), action.to(self.device)
        gradients, error = torch.func.grad_and_value(loss)(self.nets.actor)
        self.nets.counts[1].add_(1)
        moments = self.nets.moments["actor_mean"], self.nets.moments["actor_square"]
        pace = torch.tensor(pace_at(float(self.nets.counts[1]), rate), device=self.device)
        adam(self.nets.actor, gradients, moments, pace)
        return float(error)

    def settle(self) -> None:
        """Begin reinforcement: forget the momentum of imitation, and average from here."""
        self.nets.counts[1].zero_()
        for part in ("actor_mean", "actor_square"):
            for value in self.nets.moments[part].values():
                value.zero_()
        follow(self.nets.average, self.nets.actor, 1.0)
        follow(self.nets.first, self.nets.actor, 1.0)

    def _paces(self, nets: Networks) -> Tensor:
        """(3, 2) of critics, actor and temperature; see `pace_at`. In the graph each weight would work them out."""
        critic, actor = (max(1.0, count) for count in nets.counts.tolist())
        config = self.config
        rates = (critic, config.critic_rate), (actor, config.actor_rate), (actor, config.temperature_rate)
        return torch.tensor([pace_at(count, rate) for count, rate in rates], device=self.device)

    def _luck(self, count: int, generator: Generator) -> Luck:
        noise = torch.randn((2, count, self.sizes.actions), generator=generator)
        believed = torch.randperm(self.config.critics, generator=generator)[: self.config.believed]
        return Luck(*(part.to(self.device) for part in (noise[0], noise[1], believed)))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Everything that learns, by name; see `adopt`."""
        return {name: value.detach().cpu().numpy().copy() for name, value in named(self.nets).items()}

    def arrays_of(self, part: str) -> dict[str, NDArray[np.float32]]:
        """One network's weights, named as in `arrays`."""
        params: Params = getattr(self.nets, part)
        return {f"{part}.{name}": value.detach().cpu().numpy() for name, value in params.items()}

    def adopt(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Continue from there. Raises PolicyError for networks of other sizes."""
        for name, value in named(self.nets).items():
            if name not in arrays or arrays[name].size != value.numel():
                raise PolicyError(
                    f"{name} is not of the {tuple(value.shape)} that this plan's networks have; start anew"
                )
            value.copy_(torch.from_numpy(arrays[name]).reshape(value.shape))

    def luck_state(self) -> NDArray[np.uint8]:
        """Where the randomness is."""
        state: NDArray[np.uint8] = self._generator.get_state().numpy()
        return state

    def resume_luck(self, state: NDArray[np.uint8]) -> None:
        """Go on with the randomness from there."""
        self._generator.set_state(torch.from_numpy(state))
