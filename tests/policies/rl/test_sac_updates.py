"""Updates give the weights that a hand-written backward pass gave: `data/sac_updates.safetensors` was written by it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.numpy import load_file
from torch import Tensor

from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.sac import Batch, Learner
from leash_robot.policies.rl.sac.state import current_name

STORED = Path(__file__).parent / "data" / "sac_updates.safetensors"
SMALL = SacConfig(critic_hidden=(8, 8), actor_hidden=(8, 8), batch=32, policy_delay=1, precision="float32")
CASES = {
    "plain": SMALL,
    "delayed": replace(SMALL, policy_delay=2, imitation=3.0, anchor=2.0, imitation_updates=10),
    "redq": replace(SMALL, critics=5, critic_subset=2, n_step=1),
    "bfloat16": replace(SMALL, precision="bfloat16"),
}


def batch(seed: int) -> Batch:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal((32, *shape), np.float32))

    here, action, reward = (normal(5), normal(2)), torch.tanh(normal(3)), normal()
    discount = torch.from_numpy(np.where(rng.random(32) < 0.8, 0.94, 0.0).astype(np.float32))
    after = normal(5), normal(2)
    demonstrated = torch.from_numpy((rng.random(32) < 0.5).astype(np.float32))
    return Batch(*here, action, reward, discount, *after, demonstrated, torch.tanh(normal(3)))


@pytest.mark.parametrize("name", CASES)
def test_six_updates_give_the_stored_weights(name: str) -> None:
    """After one update Adam's mean is a tenth of the gradient, so that is compared too, before rounding adds up."""
    stored = {key.removeprefix(f"{name}."): value for key, value in load_file(STORED).items() if key.startswith(name)}
    learner = Learner(CASES[name], Sizes(obs=5, privileged=2, actions=3), seed=7, compiled=False)
    shown = batch(99)
    for _ in range(3):
        learner.imitate(shown.obs, shown.expert_action, 1e-2)
    learner.start_reinforcement()
    tolerance = 3e-2 if name == "bfloat16" else 1e-3
    for count in range(1, 7):
        learner.update(batch(count - 1))
        found = {**learner.arrays(), "figures": learner.figures}
        for key, value in stored.items():
            at, part = key.split(".", 1)
            if int(at) == count:
                apart = float(np.linalg.norm(found[current_name(part)] - value)) / max(
                    1e-6, float(np.linalg.norm(value))
                )
                assert apart < tolerance, (key, apart)
