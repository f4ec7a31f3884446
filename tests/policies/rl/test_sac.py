"""The learner: each loss against one written down again, who learns when, and that the same seed gives the same."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.nn import functional

from leash_robot.policies.rl.sac.config import Precision, SacConfig, Sizes
from leash_robot.policies.rl.sac.networks import gaussian, q_values, sample
from leash_robot.policies.rl.sac.numpy_actor import NumpyActor, flattened
from leash_robot.policies.rl.sac.precision import fastest, resolve
from leash_robot.policies.rl.sac.sac import Batch, Learner
from leash_robot.robot.errors import PolicyError

SIZES = Sizes(obs=5, privileged=2, actions=3)
SMALL = SacConfig(critic_hidden=(16, 16), actor_hidden=(12, 12), batch=32, policy_delay=1, precision="float32")


def batch(seed: int = 0, count: int = 32, *, demonstrated: float = 0.0) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    ends = (torch.rand(count, generator=generator) < 0.8).float() * 0.94
    return Batch(
        normal(count, 5),
        normal(count, 2),
        torch.tanh(normal(count, 3)),
        normal(count),
        ends,
        normal(count, 5),
        normal(count, 2),
        torch.full((count,), demonstrated),
        torch.tanh(normal(count, 3)),
    )


def learner(config: SacConfig = SMALL, seed: int = 0) -> Learner:
    return Learner(config, SIZES, seed=seed, compiled=False)


class Plain(nn.Module):
    """The same networks as torch's own modules, one after another."""

    def __init__(self, params: dict[str, Tensor], member: int, activate: nn.Module) -> None:
        super().__init__()
        layers = sum(name.startswith("weight") for name in params)
        parts: list[nn.Module] = []
        for layer in range(layers):
            weight = params[f"weight_{layer}"][member]
            linear = nn.Linear(*weight.shape)
            linear.weight.data, linear.bias.data = weight.T.clone(), params[f"bias_{layer}"][member, 0].clone()
            parts.append(linear)
            if layer < layers - 1:
                norm = nn.LayerNorm(weight.shape[1])
                norm.weight.data = params[f"gain_{layer}"][member, 0].clone()
                norm.bias.data = params[f"shift_{layer}"][member, 0].clone()
                parts += [norm, activate]
        self.body = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def same_weights(plain: Plain, params: dict[str, Tensor], member: int) -> None:
    linears = [part for part in plain.body if isinstance(part, nn.Linear)]
    for layer, linear in enumerate(linears):
        torch.testing.assert_close(linear.weight.T, params[f"weight_{layer}"][member], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(linear.bias, params[f"bias_{layer}"][member, 0], rtol=1e-4, atol=1e-6)


def textbook_sample(plain: Plain, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Action and log density, straight from the textbook, in double precision."""
    mean, raw = plain(obs).chunk(2, -1)
    deviation = torch.exp(-5 + 2.5 * (torch.tanh(raw) + 1))
    before = mean + deviation * noise
    action = torch.tanh(before)
    gauss = -0.5 * ((before - mean) / deviation) ** 2 - torch.log(deviation * math.sqrt(2 * math.pi))
    density = gauss.double() - torch.log(1 - action.double() ** 2)
    return action, density.sum(-1).float()


@pytest.mark.parametrize(
    ("critics", "shown", "anchor"),
    [(2, 0.0, 0.0), (2, 1.0, 0.0), (3, 0.0, 0.0), (2, 1.0, 3.0)],
    ids=["plain", "imitating", "three", "anchored"],
)
def test_one_update_is_what_the_papers_write(critics: int, shown: float, anchor: float) -> None:
    """Soft targets, critics, Adam, Polyak, and the actor against the critics just fitted: by autograd."""
    config = replace(SMALL, critics=critics, critic_subset=critics, anchor=anchor)
    ours, data = learner(config), batch(demonstrated=shown)
    for value in ours.state.reference.values():
        value.mul_(2.0)
    first = torch.tanh(Plain(ours.state.reference, 0, nn.SiLU())(data.obs).chunk(2, -1)[0]).detach()
    actor = Plain(ours.state.actor, 0, nn.SiLU())
    judges = [Plain(ours.state.critic, member, nn.ReLU()) for member in range(critics)]
    targets = [Plain(ours.state.target, member, nn.ReLU()) for member in range(critics)]
    before = {name: value.clone() for name, value in ours.state.target.items()}
    twin = learner(config)
    noise = twin._noise(32, twin._generator)  # the same that `ours` draws next
    temperature = SMALL.alpha
    optimizers = [torch.optim.Adam(critic.parameters(), SMALL.critic_learning_rate) for critic in judges]
    actors = torch.optim.Adam(actor.parameters(), SMALL.actor_learning_rate)

    with torch.no_grad():
        action, density = textbook_sample(actor, data.next_obs, noise.next_action)
        inputs = torch.cat([data.next_obs, data.next_privileged, action], -1)
        after = torch.stack([target(inputs)[:, 0] for target in targets]).amin(0)
        wanted = data.reward + data.discount * (after - temperature * density)
    for critic, optimizer in zip(judges, optimizers, strict=True):
        guess = critic(torch.cat([data.obs, data.privileged, data.action], -1))[:, 0]
        optimizer.zero_grad()
        torch.autograd.backward(functional.mse_loss(guess, wanted))
        optimizer.step()
    action, density = textbook_sample(actor, data.obs, noise.action)
    inputs = torch.cat([data.obs, data.privileged, action], -1)
    worth = torch.stack([critic(inputs)[:, 0] for critic in judges])
    soft = temperature * density - (worth.amin(0) if critics == 2 else worth.mean(0))
    apart = ((torch.tanh(actor(data.obs).chunk(2, -1)[0]) - data.expert_action) ** 2).sum(-1)
    pull = SMALL.imitation * (1 - 1 / SMALL.imitation_updates)
    strayed = ((torch.tanh(actor(data.obs).chunk(2, -1)[0]) - first) ** 2).sum(-1)
    loss = (soft + pull * shown * apart + anchor * strayed).mean()
    torch.autograd.backward(loss)
    actors.step()

    ours.update(data)
    for member, critic in enumerate(judges):
        same_weights(critic, ours.state.critic, member)
    same_weights(actor, ours.state.actor, 0)
    assert ours.figures[2] == pytest.approx(float(soft.detach().mean()), rel=1e-3)
    for name, value in ours.state.target.items():
        moved = before[name] + SMALL.tau * (ours.state.critic[name] - before[name])
        torch.testing.assert_close(value, moved, rtol=1e-5, atol=1e-7)


def test_the_anchor_holds_the_actor_where_reinforcement_began() -> None:
    def strayed(anchor: float) -> float:
        ours, data = learner(replace(SMALL, anchor=anchor, actor_learning_rate=3e-3)), batch()
        ours.start_reinforcement()
        before = torch.tanh(gaussian(ours.state.actor, data.obs)[0])
        for _ in range(100):
            ours.update(data)
        return float(((torch.tanh(gaussian(ours.state.actor, data.obs)[0]) - before) ** 2).mean())

    assert strayed(50.0) < 0.2 * strayed(0.0)


@pytest.mark.parametrize(("wanted", "warmer"), [(-10.0, False), (10.0, True)])
def test_the_temperature_goes_where_the_entropy_asks(wanted: float, *, warmer: bool) -> None:
    """A policy with more entropy than is wanted cools, one with less warms."""
    ours = learner(replace(SMALL, target_entropy=wanted))
    before = float(ours.state.alpha["log_alpha"])
    for number in range(5):
        ours.update(batch(number))
    assert (float(ours.state.alpha["log_alpha"]) > before) == warmer


def test_the_actor_waits_for_its_turn_and_for_the_warm_up() -> None:
    ours = learner(replace(SMALL, policy_delay=2, warm_up=3))
    changed = []
    for number in range(8):
        before = {name: value.clone() for name, value in ours.state.actor.items()}
        ours.update(batch(number))
        changed.append(any(not torch.equal(before[name], value) for name, value in ours.state.actor.items()))
    assert changed == [False, False, False, False, True, False, True, False]


def test_imitation_pulls_towards_what_was_demonstrated_and_fades() -> None:
    def distance(config: SacConfig, flag: float) -> float:
        ours, data = learner(config), batch(demonstrated=flag)
        for _ in range(150):
            ours.update(data)
        mean, _ = gaussian(ours.state.actor, data.obs)
        return float(((torch.tanh(mean) - data.expert_action) ** 2).mean())

    strong = replace(SMALL, imitation=50.0, imitation_updates=10_000, actor_learning_rate=3e-3)
    assert distance(strong, 1.0) < 0.5 * distance(strong, 0.0)
    faded = replace(strong, imitation_updates=1)
    assert distance(faded, 1.0) == pytest.approx(distance(faded, 0.0), rel=1e-4)


def test_a_target_believes_only_the_critics_that_were_drawn() -> None:
    """With all of five critics drawn the target is lower than, or the same as, with any two of them."""
    data = batch()
    few = learner(replace(SMALL, critics=5, critic_subset=2))
    many = learner(replace(SMALL, critics=5, critic_subset=5))
    for ours in (few, many):
        ours.update(data)
    assert few.state.critic["weight_0"].shape[0] == 5
    difference = [float((few.state.critic[n] - many.state.critic[n]).abs().max()) for n in few.state.critic]
    assert max(difference) > 0


@pytest.mark.parametrize("hidden", [(64, 64), (256, 256)])
def test_gradients_of_bfloat16_are_those_of_float32_but_for_rounding(hidden: tuple[int, ...]) -> None:
    """After one update Adam's mean is a tenth of the gradient.

    A factor is off by 2^-9 at most. What should count more is that a ReLU this close to zero turns over: if one in a
    thousand does, a gradient is off by the root of that in its norm, 3 %. A wrong term is off by more.
    """
    config = replace(SMALL, critic_hidden=hidden, actor_hidden=hidden, batch=256)
    exact, rounded = (learner(replace(config, precision=kind)) for kind in ("float32", "bfloat16"))
    for ours in (exact, rounded):
        ours.update(batch(count=256, demonstrated=1.0))
    for part in ("critic_mean", "actor_mean"):
        for name, gradient in exact.state.moments[part].items():
            apart = (rounded.state.moments[part][name] - gradient).norm() / gradient.norm()
            assert 0 < float(apart) < 0.1, (part, name)
    np.testing.assert_allclose(rounded.figures, exact.figures, rtol=0.03, atol=0.003)


def test_a_precision_is_decided_once() -> None:
    wanted = [resolve(replace(SMALL, precision=kind)).precision for kind in ("float32", "bfloat16", "auto")]
    assert wanted == ["float32", "bfloat16", fastest()]
    assert resolve(replace(SMALL, precision="auto"), "float32").precision == "float32"
    assert learner(replace(SMALL, precision="auto")).config.precision == fastest()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_preparing_changes_nothing(precision: Precision) -> None:
    prepared, other = (learner(replace(SMALL, precision=precision)) for _ in range(2))
    prepared.prepare()
    for ours in (prepared, other):
        ours.update(batch())
    assert all(np.array_equal(array, prepared.arrays()[name]) for name, array in other.arrays().items())


def test_networks_of_another_size_are_not_adopted() -> None:
    with pytest.raises(PolicyError, match=r"actor.weight_0 is not of the \(1, 5, 12\)"):
        learner().load(learner(replace(SMALL, actor_hidden=(13, 12))).arrays())


def test_the_same_seed_learns_the_same_and_another_does_not() -> None:
    made = [learner(seed=seed) for seed in (3, 3, 4)]
    for ours in made:
        for number in range(4):
            ours.update(batch(number))
    one, again, other = (ours.arrays() for ours in made)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["actor.weight_0"], other["actor.weight_0"])


def test_a_learner_that_adopts_another_goes_on_like_it() -> None:
    first, second = learner(seed=1), learner(seed=2)
    for number in range(3):
        first.update(batch(number))
    second.load(first.arrays())
    second.updates = first.updates
    second.load_noise_state(first.noise_state())
    for number in range(3, 6):
        first.update(batch(number))
        second.update(batch(number))
    mine, theirs = first.arrays(), second.arrays()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_the_average_follows_the_actor_slowly() -> None:
    ours = learner(replace(SMALL, ema=0.25))
    before = ours.state.average["weight_0"].clone()
    ours.update(batch())
    wanted = before + 0.25 * (ours.state.actor["weight_0"] - before)
    torch.testing.assert_close(ours.state.average["weight_0"], wanted)


def test_the_numpy_actor_acts_like_the_torch_one() -> None:
    ours = learner()
    for number in range(20):
        ours.update(batch(number))
    plain = NumpyActor(np.ones(5, np.float32), SMALL.actor_hidden, 3)
    plain.adopt(flattened(ours.arrays()))
    obs = batch(7).obs
    mean, log_std = gaussian(ours.state.actor, obs)
    for row in range(5):
        made, std = plain.distribution(obs[row].numpy())
        np.testing.assert_allclose(made, mean[row].numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(std, log_std[row].exp().numpy(), rtol=1e-4)
    np.testing.assert_allclose(plain.best(obs[0].numpy()), torch.tanh(mean[0]).numpy(), rtol=1e-4, atol=1e-6)
    drawn = np.array([plain.sample(obs[0].numpy(), np.random.default_rng(seed)) for seed in range(400)])
    np.testing.assert_allclose(np.arctanh(drawn).std(axis=0), log_std[0].exp().numpy(), rtol=0.2)


def test_densities_integrate_to_one() -> None:
    """The squashed Gaussian of one action, summed over the box."""
    sizes = Sizes(4, 0, 1)
    ours = Learner(replace(SMALL, actor_hidden=(8,)), sizes, compiled=False)
    ours.state.actor["weight_1"] *= 200
    obs = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    mean, log_std = gaussian(ours.state.actor, obs)
    edges = torch.atanh(torch.linspace(-0.99999, 0.99999, 20001, dtype=torch.float64))
    noise = ((edges - mean) / log_std.exp()).float()
    drawn = sample(ours.state.actor, obs.expand(len(edges), 4), noise.reshape(-1, 1))
    total = torch.trapezoid(drawn.log_prob.exp().double(), drawn.action[:, 0].double())
    assert float(total) == pytest.approx(1.0, abs=0.01)


def test_it_learns_which_action_pays() -> None:
    """One step, reward for hitting a target that the observation names."""
    config = SacConfig(
        critic_hidden=(32, 32),
        actor_hidden=(32, 32),
        batch=64,
        policy_delay=1,
        critic_learning_rate=3e-3,
        actor_learning_rate=3e-3,
    )
    ours, rng = Learner(config, Sizes(1, 0, 1), compiled=False), np.random.default_rng(0)
    for _ in range(500):
        obs = torch.from_numpy(rng.uniform(-0.8, 0.8, (64, 1)).astype(np.float32))
        action = torch.from_numpy(rng.uniform(-1, 1, (64, 1)).astype(np.float32))
        reward, none = -4 * ((action - obs) ** 2)[:, 0], torch.zeros(64)
        ours.update(Batch(obs, torch.zeros(64, 0), action, reward, none, obs, torch.zeros(64, 0), none, action))
    tested = torch.linspace(-0.7, 0.7, 15)[:, None]
    mean, _ = gaussian(ours.state.average, tested)
    assert float((torch.tanh(mean) - tested).abs().max()) < 0.25
    assert q_values(ours.state.critic, tested, tested).mean() > q_values(ours.state.critic, tested, -tested).mean()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler itself
def test_compiled_and_eager_updates_give_the_same_numbers() -> None:
    machine, eager = Learner(SMALL, SIZES), learner()
    for number in range(4):
        machine.update(batch(number))
        eager.update(batch(number))
    one, other = machine.arrays(), eager.arrays()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=2e-6, err_msg=name)
    np.testing.assert_allclose(machine.figures, eager.figures, rtol=1e-3)


def test_entropies_of_the_bounds_are_what_the_constants_say() -> None:
    """The deviation stays within e^-5 and 1 whatever the network says."""
    ours = learner()
    ours.state.actor["weight_2"] *= 1e6
    _, log_std = gaussian(ours.state.actor, batch().obs)
    assert float(log_std.min()) >= -5.0 - 1e-6
    assert float(log_std.max()) <= 1e-6
    assert math.isfinite(float(sample(ours.state.actor, batch().obs, batch().action).log_prob.sum()))


def test_widths_go_where_they_are_told() -> None:
    shapes = [tuple(value.shape) for name, value in learner().state.critic.items() if name.startswith("weight")]
    assert shapes == [(2, 10, 16), (2, 16, 16), (2, 16, 1)]
    assert all(before[2] == after[1] for before, after in pairwise(shapes))
