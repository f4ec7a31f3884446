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
from torch.func import grad, grad_and_value

from leash_robot.policies.rl.sac.compiled import compiled_or_eager
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.networks import Params, gaussian, q_values, sample
from leash_robot.policies.rl.sac.precision import dtype_of, settled
from leash_robot.policies.rl.sac.state import Networks, born, moved, named
from leash_robot.robot.errors import PolicyError

BETAS = (0.9, 0.999)
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


class Noise(NamedTuple):
    """All randomness of one update, drawn outside, so that compiled and eager runs get the same."""

    next_action: Tensor
    """(B, n) standard normal"""
    action: Tensor
    """(B, n) standard normal"""
    critic_subset: Tensor
    """(k,) indices of the critics that the target is the minimum of"""


def critic_target(nets: Networks, batch: Batch, noise: Noise, config: SacConfig) -> Tensor:
    """Soft n-step target (B,): r + discount * (min_i Q_i(s', a') - alpha * log pi(a'|s')) (Haarnoja et al. 2018b, 5-6).

    The minimum is over a random subset of the target critics (REDQ, Chen et al. 2021, algorithm 1).
    """
    dtype = dtype_of(config)
    after = sample(nets.actor, batch.next_obs, noise.next_action, dtype)
    next_q = q_values(nets.target, torch.cat([batch.next_obs, batch.next_privileged], -1), after.action, dtype)
    if config.believed < config.critics:
        next_q = next_q[noise.critic_subset]
    return batch.reward + batch.discount * (next_q.amin(0) - nets.log_temperature.exp() * after.log_prob)


def critic_loss(critic: Params, batch: Batch, target: Tensor, config: SacConfig) -> tuple[Tensor, Tensor]:
    """Squared error of Q, summed over the critics; and the mean of Q."""
    q = q_values(critic, torch.cat([batch.obs, batch.privileged], -1), batch.action, dtype_of(config))
    return ((q - target) ** 2).mean(-1).sum(), q.mean()


def actor_loss(
    actor: Params, nets: Networks, batch: Batch, noise: Noise, imitation: Tensor, config: SacConfig
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Total loss of the actor; and of it alpha * log pi(a|s) - Q(s, a) alone (Haarnoja et al. 2018b, 7), and log pi.

    Q is the lower of two critics, or the mean of more (REDQ).
    """
    drawn = sample(actor, batch.obs, noise.action, dtype_of(config))
    q = q_values(nets.critic, torch.cat([batch.obs, batch.privileged], -1), drawn.action, dtype_of(config))
    q_value = q.amin(0) if config.critics == 2 else q.mean(0)
    loss = (nets.log_temperature.exp() * drawn.log_prob - q_value).mean()
    total = loss + imitation * imitation_loss(drawn.mean, batch)
    if config.anchor > 0:
        total = total + config.anchor * anchor_loss(drawn.mean, nets.first, batch)
    return total, (loss, drawn.log_prob.mean())


def imitation_loss(mean: Tensor, batch: Batch) -> Tensor:
    """Squared distance of the deterministic action from the demonstrated one, where there is one (TD3+BC's term)."""
    return (batch.demonstrated[:, None] * (torch.tanh(mean) - batch.wanted) ** 2).sum(-1).mean()


def anchor_loss(mean: Tensor, reference: Params, batch: Batch) -> Tensor:
    """Squared distance of the deterministic action from the reference actor's."""
    return ((torch.tanh(mean) - torch.tanh(gaussian(reference, batch.obs)[0])) ** 2).sum(-1).mean()


def alpha_loss(log_alpha: Tensor, log_prob: Tensor, target_entropy: float) -> Tensor:
    """log(alpha) * (entropy - target entropy) (Haarnoja et al. 2018b, 18, by the logarithm)."""
    return log_alpha * (-log_prob - target_entropy)


def update_critic(nets: Networks, batch: Batch, noise: Noise, step_sizes: Tensor, config: SacConfig) -> Tensor:
    """One step of the critics and their targets; loss and mean Q (2,). `step_sizes` (3, 2) of all Adams."""
    target = critic_target(nets, batch, noise, config)
    gradients, (loss, q) = grad_and_value(critic_loss, has_aux=True)(nets.critic, batch, target, config)
    adam(nets.critic, gradients, (nets.moments["critic_mean"], nets.moments["critic_square"]), step_sizes[0])
    soft_update(nets.target, nets.critic, config.tau)
    return torch.stack([loss, q])


def update_all(
    nets: Networks, batch: Batch, noise: Noise, step_sizes: Tensor, imitation: Tensor, config: SacConfig
) -> Tensor:
    """One step of the critics, then of the actor and alpha; critic loss, mean Q, actor loss, entropy, alpha (5,)."""
    critic = update_critic(nets, batch, noise, step_sizes, config)
    alpha = nets.log_temperature.exp()
    gradients, (_, (loss, log_prob)) = grad_and_value(actor_loss, has_aux=True)(
        nets.actor, nets, batch, noise, imitation, config
    )
    adam(nets.actor, gradients, (nets.moments["actor_mean"], nets.moments["actor_square"]), step_sizes[1])
    soft_update(nets.average, nets.actor, config.ema)
    target_entropy = config.entropy * batch.action.shape[-1]
    gradient = grad(alpha_loss)(nets.log_temperature, log_prob, target_entropy)
    moments = nets.moments["temperature"]
    adam(
        {"log": nets.log_temperature},
        {"log": gradient},
        ({"log": moments["mean"]}, {"log": moments["square"]}),
        step_sizes[2],
    )
    return torch.cat([critic, torch.stack([loss, -log_prob, alpha])])


def adam(params: Params, gradients: Params, moments: tuple[Params, Params], step_size: Tensor) -> None:
    """One step of Adam (Kingma and Ba 2015) in place; `step_size` (2,) is what `adam_step_size` says of it."""
    beta1, beta2 = BETAS
    for name, value in params.items():
        gradient, mean, square = gradients[name], moments[0][name], moments[1][name]
        mean.copy_(beta1 * mean + (1 - beta1) * gradient)
        square.copy_(beta2 * square + (1 - beta2) * gradient * gradient)
        value.copy_(value - step_size[0] * mean / ((square * step_size[1]).sqrt() + 1e-8))


def adam_step_size(count: float, learning_rate: float) -> tuple[float, float]:
    """Step size and bias correction of the second moment at this step of Adam, from 1."""
    beta1, beta2 = BETAS
    return learning_rate / (1 - beta1**count), 1 / (1 - beta2**count)


def soft_update(targets: Params, params: Params, tau: float) -> None:
    """Polyak averaging: move each target by a share tau of the way."""
    for name, value in targets.items():
        value.copy_(value + tau * (params[name] - value))


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
        self._update_critic = compiled_or_eager(update_critic) if compiled else update_critic
        self._update_all = compiled_or_eager(update_all) if compiled else update_all
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
        nets, noise = moved(born(self.config, sizes, spare), self.device), self._noise(count, spare)
        step_sizes = self._step_sizes(nets)
        pull, delay = torch.tensor(0.0, device=self.device), self.config.delay

        def learn(*, acts: bool) -> None:
            if acts:
                self._update_all(nets, batch, noise, step_sizes, pull, self.config)
            else:
                self._update_critic(nets, batch, noise, step_sizes, self.config)

        learn(acts=False)
        learn(acts=True)
        began = time.process_time()
        for number in range(TIMED):
            learn(acts=number % delay == 0)
        return TIMED / max(1e-9, time.process_time() - began)

    def update(self, batch: Batch) -> None:
        """Learn from one batch: the critics always, the actor when it is its turn."""
        batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
        noise = self._noise(len(batch.reward), self._generator)
        self.updates += 1
        late = self.updates - self.config.warm_up
        acts = late > 0 and late % self.config.delay == 0
        self.nets.counts.add_(torch.tensor([1.0, float(acts)], device=self.device))
        step_sizes = self._step_sizes(self.nets)
        if acts:
            pull = self.config.imitation * max(0.0, 1.0 - late / self.config.imitation_updates)
            weight = torch.tensor(pull, device=self.device)
            self.figures[:] = self._update_all(self.nets, batch, noise, step_sizes, weight, self.config).cpu().numpy()
        else:
            self.figures[:2] = self._update_critic(self.nets, batch, noise, step_sizes, self.config).cpu().numpy()

    def imitate(self, obs: Tensor, action: Tensor, rate: float) -> float:
        """Move the actor's mean for these features towards these actions; returns the mean squared error."""

        def loss(params: Params) -> Tensor:
            mean, _ = gaussian(params, obs)
            return ((torch.tanh(mean) - action) ** 2).mean()

        obs, action = obs.to(self.device), action.to(self.device)
        gradients, error = grad_and_value(loss)(self.nets.actor)
        self.nets.counts[1].add_(1)
        moments = self.nets.moments["actor_mean"], self.nets.moments["actor_square"]
        pace = torch.tensor(adam_step_size(float(self.nets.counts[1]), rate), device=self.device)
        adam(self.nets.actor, gradients, moments, pace)
        return float(error)

    def settle(self) -> None:
        """Begin reinforcement: forget the momentum of imitation, and average from here."""
        self.nets.counts[1].zero_()
        for part in ("actor_mean", "actor_square"):
            for value in self.nets.moments[part].values():
                value.zero_()
        soft_update(self.nets.average, self.nets.actor, 1.0)
        soft_update(self.nets.first, self.nets.actor, 1.0)

    def _step_sizes(self, nets: Networks) -> Tensor:
        """(3, 2) of critics, actor and alpha; see `adam_step_size`. In the graph each weight would work them out."""
        critic, actor = (max(1.0, count) for count in nets.counts.tolist())
        config = self.config
        rates = (critic, config.critic_rate), (actor, config.actor_rate), (actor, config.temperature_rate)
        return torch.tensor([adam_step_size(count, rate) for count, rate in rates], device=self.device)

    def _noise(self, count: int, generator: Generator) -> Noise:
        noise = torch.randn((2, count, self.sizes.actions), generator=generator)
        believed = torch.randperm(self.config.critics, generator=generator)[: self.config.believed]
        return Noise(*(part.to(self.device) for part in (noise[0], noise[1], believed)))

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
