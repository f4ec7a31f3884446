"""`leash bench sac`: full updates a second on one thread, beside stable-baselines3's SAC of the same sizes.

A full update is critics, actor, temperature and targets, with nothing delayed, on a fresh batch drawn from a replay;
ours has LayerNorm in every network, theirs has none. Both take turns, and so do bare products of 256x256 matrices,
whose rate says what this machine's SGEMM could do at best. `sgemm_fraction` is the time that the arithmetic of our
update would take at that rate in float32, over the time that an update takes; with bfloat16 factors it can pass 1.
Our update runs in the precision that `auto` is on this machine, and in float32 beside it. Seconds are those of this
process's CPU time, which on a quiet machine are wall clock; so a busy neighbour distorts little.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from leash_robot.policies.rl.replay_buffer import TRUNCATED, ReplayBuffer, layout
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.config import Precision, SacConfig, Sizes
from leash_robot.policies.rl.sac.precision import fastest
from leash_robot.policies.rl.sac.sac import Learner
from leash_robot.robot.errors import UsageError

SIZES = Sizes(obs=48, privileged=0, actions=12)
WIDTH, BATCH, ROWS = 256, 256, 5000
CONFIG = SacConfig(critic_hidden=(WIDTH, WIDTH), actor_hidden=(WIDTH, WIDTH), batch=BATCH, policy_delay=1, n_step=1)
BLOCK = 20
"""Updates, or products, before the next has its turn."""

Float32 = NDArray[np.float32]


class FixedNoise(gymnasium.Env[Float32, Float32]):
    """An environment of the right sizes that has nothing to teach."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (SIZES.obs,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (SIZES.actions,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Begin."""
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Anything may happen."""
        return self.observation_space.sample(), float(self.np_random.normal()), False, False, {}


def measure(seconds: float) -> dict[str, Any]:
    """Median rates over interleaved blocks, for about so long."""
    torch.set_num_threads(1)
    with _replay() as replay:
        works = {
            "updates": _ours(replay, fastest()),
            "float32": _ours(replay, "float32"),
            "sb3_updates": _theirs(),
            "sgemm": _products(),
        }
        for work in works.values():
            work()
        end = time.process_time() + seconds
        rates: dict[str, list[float]] = {name: [] for name in works}
        while time.process_time() < end or not rates["sgemm"]:
            for name, work in works.items():
                start = time.process_time()
                work()
                rates[name].append(BLOCK / (time.process_time() - start))
    ours, plain, theirs, sgemm = (statistics.median(rates[name]) for name in works)
    flops = operations(CONFIG, SIZES)
    rate = sgemm * 2 * WIDTH**3
    return {
        "updates_per_s": ours,
        "sb3_updates_per_s": theirs,
        "ratio": ours / theirs,
        "precision": fastest(),
        "float32_updates_per_s": plain,
        "float32_ratio": plain / theirs,
        "sgemm_gflop_per_s": rate / 1e9,
        "update_gflop": flops / 1e9,
        "sgemm_fraction": ours * flops / rate,
        "float32_sgemm_fraction": plain * flops / rate,
    }


def operations(config: SacConfig, sizes: Sizes) -> int:
    """Multiplications and additions in the matrix products of a full update; nothing else is counted.

    An actor acts twice and is differentiated once. The critics judge three times (targets, fit, actor); the fit is
    differentiated by the weights and by what is inside, the actor's judgement by what is inside and by the inputs.
    """
    actor = _products_of((sizes.obs, *config.actor_hidden, 2 * sizes.actions))
    critic = _products_of((sum(sizes), *config.critic_hidden, 1))
    inside_actor, inside_critic = sum(actor[1:]), config.critics * sum(critic[1:])
    by_inputs = config.critics * sum(sizes) * config.critic_hidden[0]
    acting = 3 * sum(actor) + inside_actor
    judging = 4 * config.critics * sum(critic) + 2 * inside_critic + by_inputs
    return 2 * config.batch * (acting + judging)


def _products_of(widths: tuple[int, ...]) -> list[int]:
    return [before * after for before, after in pairwise(widths)]


def _replay() -> ReplayBuffer:
    rng = np.random.default_rng(0)
    replay = ReplayBuffer(capacity=ROWS, columns=layout(*SIZES))
    for row in range(ROWS - 100):
        obs, action = rng.standard_normal(SIZES.obs, np.float32), rng.uniform(-1, 1, SIZES.actions)
        replay.add(obs=obs, action=action, reward=rng.normal(), end=TRUNCATED * (row % 400 == 399), burst=0)
    return replay


def _ours(replay: ReplayBuffer, precision: Precision) -> Callable[[], None]:
    config = replace(CONFIG, precision=precision)
    learner, batches = Learner(config, SIZES), Batches([replay], config, {})

    def work() -> None:
        for _ in range(BLOCK):
            learner.update(batches.draw(learner.updates))

    return work


def _theirs() -> Callable[[], None]:
    try:
        from stable_baselines3 import SAC
    except ImportError:
        raise UsageError("the peer is missing; install it with `pip install 'leash-robot[dev]'`") from None
    model = SAC(
        "MlpPolicy",
        FixedNoise(),
        batch_size=BATCH,
        policy_kwargs={"net_arch": [WIDTH, WIDTH]},
        learning_starts=ROWS,
        device="cpu",
    )
    model.learn(ROWS)
    return lambda: model.train(BLOCK, BATCH)


def _products() -> Callable[[], None]:
    left, right, out = (torch.randn(WIDTH, WIDTH) for _ in range(3))

    def work() -> None:
        for _ in range(BLOCK):
            torch.mm(left, right, out=out)

    return work
