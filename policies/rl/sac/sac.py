"""Soft actor-critic (SAC), to be read top to bottom: the losses, an update, and the learner that keeps the state.

The losses are those of Haarnoja et al. 2018 (arXiv 1812.05905). What made it quick on small robots: LayerNorm in the
critics (Ball et al. 2023, RLPD), the target's minimum over a random subset of them (Chen et al. 2021, REDQ), privileged
observations for the critics alone, n-step targets, a delayed actor (Fujimoto et al. 2018, TD3), and an imitation loss
that fades. Losses and updates are functions of dictionaries of tensors, so that one compiler sees a whole update.

To add a loss, write a function of a batch and add it to `actor_loss` or `critic_loss`; autograd does the rest.
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
from leash_robot.policies.rl.sac.precision import dtype_of, resolve
from leash_robot.policies.rl.sac.state import SacState, current_name, init, named, to_device
from leash_robot.robot.errors import PolicyError

BETAS = (0.9, 0.999)
"""Decay of Adam's first and second moments."""
TIMED = 8
"""Updates over which the speed of this machine is measured."""


class Batch(NamedTuple):
    """B samples of n-step transitions: d features, p privileged observations, n actions."""

    obs: Tensor
    """(B, d)"""
    privileged: Tensor
    """(B, p)"""
    action: Tensor
    """(B, n) as executed; outside [-1, 1] where a person did what the action scale cannot express"""
    reward: Tensor
    """(B,) discounted sum over the n steps"""
    discount: Tensor
    """(B,) factor of the value after them; 0 after a failure"""
    next_obs: Tensor
    next_privileged: Tensor
    demonstrated: Tensor
    """(B,) 1 where there is an expert's action within the action scale"""
    expert_action: Tensor
    """(B, n) that action, which need not be the executed one; undefined elsewhere"""


class Noise(NamedTuple):
    """All randomness of one update, drawn outside, so that compiled and eager updates get the same."""

    next_action: Tensor
    """(B, n) standard normal"""
    action: Tensor
    """(B, n) standard normal"""
    critic_subset: Tensor
    """(k,) indices of the critics that the target is the minimum of"""


def critic_target(state: SacState, batch: Batch, noise: Noise, config: SacConfig) -> Tensor:
    """Soft n-step target (B,): r + discount * (min_i Q_i(s', a') - alpha * log pi(a'|s')) (SAC, eq. 3 and 5).

    The minimum is over a random subset of the target critics (REDQ, algorithm 1).
    """
    dtype, context = dtype_of(config), torch.cat([batch.next_obs, batch.next_privileged], -1)
    action, log_prob, _ = sample(state.actor, batch.next_obs, noise.next_action, dtype)
    q = q_values(state.target, context, action, dtype)
    if config.critic_subset < config.critics:
        q = q[noise.critic_subset]
    alpha = state.alpha["log_alpha"].exp()
    return batch.reward + batch.discount * (q.amin(0) - alpha * log_prob)


def critic_loss(critic: Params, target: Tensor, batch: Batch, config: SacConfig) -> tuple[Tensor, Tensor]:
    """Mean squared error of each Q, summed over the critics (SAC, eq. 5); and the mean of Q."""
    q = q_values(critic, torch.cat([batch.obs, batch.privileged], -1), batch.action, dtype_of(config))
    return ((q - target) ** 2).mean(-1).sum(), q.mean()


def actor_loss(
    actor: Params, state: SacState, batch: Batch, noise: Noise, imitation: Tensor, config: SacConfig
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """All losses of the actor; beside it the mean of alpha * log pi(a|s) - Q(s, a) (SAC, eq. 7), and of log pi.

    Q is the minimum of two critics, or the mean of more (REDQ). `imitation` () is the weight of the imitation loss.
    """
    dtype, context = dtype_of(config), torch.cat([batch.obs, batch.privileged], -1)
    action, log_prob, mean = sample(actor, batch.obs, noise.action, dtype)
    q = q_values(state.critic, context, action, dtype)
    q_value = q.amin(0) if config.critics == 2 else q.mean(0)
    alpha = state.alpha["log_alpha"].exp()
    soft = (alpha * log_prob - q_value).mean()
    loss = soft + imitation * imitation_loss(mean, batch)
    if config.anchor > 0:
        loss = loss + config.anchor * anchor_loss(mean, state.reference, batch)
    return loss, (soft, log_prob.mean())


def imitation_loss(mean: Tensor, batch: Batch) -> Tensor:
    """Squared distance from the expert's action, where there is one (Fujimoto and Gu 2021, TD3+BC)."""
    return (batch.demonstrated[:, None] * (torch.tanh(mean) - batch.expert_action) ** 2).sum(-1).mean()


def anchor_loss(mean: Tensor, reference: Params, batch: Batch) -> Tensor:
    """Squared distance from the action of the actor that reinforcement began with."""
    return ((torch.tanh(mean) - torch.tanh(gaussian(reference, batch.obs)[0])) ** 2).sum(-1).mean()


def alpha_loss(alpha: Params, log_prob: Tensor, target_entropy: float) -> Tensor:
    """log(alpha) * (entropy - target entropy) (SAC, eq. 18, by the logarithm of alpha)."""
    return alpha["log_alpha"] * (-log_prob - target_entropy)


def update_critic(state: SacState, batch: Batch, noise: Noise, step_sizes: Tensor, config: SacConfig) -> Tensor:
    """One step of the critics and their targets; returns loss and mean Q (2,). `step_sizes` (3, 2) of all Adams."""
    target = critic_target(state, batch, noise, config)
    gradients, (loss, q) = grad_and_value(critic_loss, has_aux=True)(state.critic, target, batch, config)
    adam(state, "critic", gradients, step_sizes[0])
    soft_update(state.target, state.critic, config.tau)
    return torch.stack([loss, q])


def update_all(
    state: SacState, batch: Batch, noise: Noise, step_sizes: Tensor, imitation: Tensor, config: SacConfig
) -> Tensor:
    """One step of the critics, then of the actor and alpha; returns `Learner.figures` (5,)."""
    critic = update_critic(state, batch, noise, step_sizes, config)
    gradients, (_, (loss, log_prob)) = grad_and_value(actor_loss, has_aux=True)(
        state.actor, state, batch, noise, imitation, config
    )
    adam(state, "actor", gradients, step_sizes[1])
    soft_update(state.average, state.actor, config.ema)
    alpha, target_entropy = state.alpha["log_alpha"].exp(), config.target_entropy * batch.action.shape[-1]
    adam(state, "alpha", grad(alpha_loss)(state.alpha, log_prob, target_entropy), step_sizes[2])
    return torch.cat([critic, torch.stack([loss, -log_prob, alpha])])


def adam(state: SacState, part: str, gradients: Params, step_size: Tensor) -> None:
    """One step of Adam (Kingma and Ba 2015) in place; `step_size` (2,) as `adam_step_size` computes it."""
    beta1, beta2 = BETAS
    params: Params = getattr(state, part)
    for name, value in params.items():
        gradient, mean, square = (
            gradients[name],
            state.moments[f"{part}_mean"][name],
            state.moments[f"{part}_square"][name],
        )
        mean.copy_(beta1 * mean + (1 - beta1) * gradient)
        square.copy_(beta2 * square + (1 - beta2) * gradient * gradient)
        value.copy_(value - step_size[0] * mean / ((square * step_size[1]).sqrt() + 1e-8))


def adam_step_size(count: float, learning_rate: float) -> tuple[float, float]:
    """Step size, and bias correction of the second moment, in this step of Adam, counted from 1."""
    beta1, beta2 = BETAS
    return learning_rate / (1 - beta1**count), 1 / (1 - beta2**count)


def soft_update(targets: Params, params: Params, tau: float) -> None:
    """Polyak averaging, in place: target <- target + tau * (parameter - target)."""
    for name, value in targets.items():
        value.copy_(value + tau * (params[name] - value))


class Learner:
    """Keeps the state and the randomness of SAC; the same seed gives the same updates."""

    def __init__(self, config: SacConfig, sizes: Sizes, *, seed: int = 0, compiled: bool = True) -> None:
        torch.set_num_threads(1)
        self.config = config = resolve(config)
        self.sizes = sizes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.updates = 0
        """Updates so far."""
        self._generator = Generator().manual_seed(seed)
        self.state = to_device(init(config, sizes, self._generator), self.device)
        self._update_critic = compiled_or_eager(update_critic) if compiled else update_critic
        self._update_all = compiled_or_eager(update_all) if compiled else update_all
        self.figures = np.zeros(5, np.float32)
        """Critic loss, mean Q, actor loss, entropy and alpha of the latest update."""

    def prepare(self) -> float:
        """Compile on zeros, so that no update waits for it; the state does not change.

        Returns the updates that this machine makes in a second of CPU time, measured over a few.
        """
        generator = Generator().manual_seed(0)
        state, batch = to_device(init(self.config, self.sizes, generator), self.device), self._zeros()
        noise, imitation = self._noise(self.config.batch, generator), torch.tensor(0.0, device=self.device)

        def update(*, actor: bool) -> None:
            if actor:
                self._update_all(state, batch, noise, self._step_sizes(state), imitation, self.config)
            else:
                self._update_critic(state, batch, noise, self._step_sizes(state), self.config)

        update(actor=False)
        update(actor=True)
        began = time.process_time()
        for number in range(TIMED):
            update(actor=number % self.config.policy_delay == 0)
        return TIMED / max(1e-9, time.process_time() - began)

    def _zeros(self) -> Batch:
        count, (obs, privileged, actions) = self.config.batch, self.sizes
        widths = (obs, privileged, actions, None, None, obs, privileged, None, actions)
        return Batch(
            *(torch.zeros((count, width) if width is not None else count, device=self.device) for width in widths)
        )

    def update(self, batch: Batch) -> None:
        """Learn from one batch: the critics; after the warm-up, actor and alpha in every `policy_delay`-th update."""
        batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
        noise = self._noise(len(batch.reward), self._generator)
        self.updates += 1
        since = self.updates - self.config.warm_up
        actor = since > 0 and since % self.config.policy_delay == 0
        self.state.counts.add_(torch.tensor([1.0, float(actor)], device=self.device))
        step_sizes = self._step_sizes(self.state)
        if actor:
            weight = self.config.imitation * max(0.0, 1.0 - since / self.config.imitation_updates)
            imitation = torch.tensor(weight, device=self.device)
            figures = self._update_all(self.state, batch, noise, step_sizes, imitation, self.config)
        else:
            figures = self._update_critic(self.state, batch, noise, step_sizes, self.config)
        self.figures[: len(figures)] = figures.cpu().numpy()

    def imitate(self, obs: Tensor, action: Tensor, learning_rate: float) -> float:
        """Behaviour cloning: one step of the actor's mean towards these actions; returns the mean squared error."""

        def loss(actor: Params) -> Tensor:
            return ((torch.tanh(gaussian(actor, obs)[0]) - action) ** 2).mean()

        obs, action = obs.to(self.device), action.to(self.device)
        gradients, error = grad_and_value(loss)(self.state.actor)
        self.state.counts[1].add_(1)
        step_size = adam_step_size(float(self.state.counts[1]), learning_rate)
        adam(self.state, "actor", gradients, torch.tensor(step_size, device=self.device))
        return float(error)

    def start_reinforcement(self) -> None:
        """Begin reinforcement: reset the actor's Adam; average and anchor start from the actor as it is."""
        self.state.counts[1].zero_()
        for moment in ("actor_mean", "actor_square"):
            for value in self.state.moments[moment].values():
                value.zero_()
        soft_update(self.state.average, self.state.actor, 1.0)
        soft_update(self.state.reference, self.state.actor, 1.0)

    def _step_sizes(self, state: SacState) -> Tensor:
        """(3, 2) of critics, actor and alpha. Note: inside the compiled update each weight would compute its own."""
        critic, actor = (max(1.0, count) for count in state.counts.tolist())
        config = self.config
        rates = (
            (critic, config.critic_learning_rate),
            (actor, config.actor_learning_rate),
            (actor, config.alpha_learning_rate),
        )
        return torch.tensor([adam_step_size(count, rate) for count, rate in rates], device=self.device)

    def _noise(self, count: int, generator: Generator) -> Noise:
        noise = torch.randn((2, count, self.sizes.actions), generator=generator)
        subset = torch.randperm(self.config.critics, generator=generator)[: self.config.critic_subset]
        return Noise(*(part.to(self.device) for part in (noise[0], noise[1], subset)))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The whole state by name; see `load`."""
        return {name: value.detach().cpu().numpy().copy() for name, value in named(self.state).items()}

    def arrays_of(self, part: str) -> dict[str, NDArray[np.float32]]:
        """One network's weights, named as in `arrays`."""
        params: Params = getattr(self.state, part)
        return {f"{part}.{name}": value.detach().cpu().numpy() for name, value in params.items()}

    def load(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Load a state, also one that an earlier version wrote. Raises PolicyError for networks of other sizes."""
        given = {current_name(name): array for name, array in arrays.items()}
        for name, value in named(self.state).items():
            if name not in given or given[name].size != value.numel():
                raise PolicyError(
                    f"{name} is not of the {tuple(value.shape)} that this plan's networks have; start anew"
                )
            value.copy_(torch.from_numpy(given[name]).reshape(value.shape))

    def noise_state(self) -> NDArray[np.uint8]:
        """State of the generator of the noise."""
        state: NDArray[np.uint8] = self._generator.get_state().numpy()
        return state

    def load_noise_state(self, state: NDArray[np.uint8]) -> None:
        """Continue with the generator of the noise from this state."""
        self._generator.set_state(torch.from_numpy(state))
