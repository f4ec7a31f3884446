"""The arithmetic that `leash bench sac` counts is the arithmetic that is done."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from leash_robot.benchmarks.learning.sac import operations
from leash_robot.policies.rl.sac.config import SacConfig, Sizes
from leash_robot.policies.rl.sac.sac import Batch, Learner

SIZES = Sizes(48, 0, 12)
CONFIG = SacConfig(critic_hidden=(256, 256), actor_hidden=(256, 256), batch=64, policy_delay=1, precision="float32")


def test_the_products_of_an_update_are_those_that_are_counted() -> None:
    """Torch counts the products it executes; the critics' last layer, one column wide, is a sum and not among them."""
    learner = Learner(CONFIG, SIZES, compiled=False)
    rows = [torch.zeros(64, width) for width in (48, 0, 12, 48, 0)]
    flat = torch.zeros(64)
    batch = Batch(rows[0], rows[1], rows[2], flat, flat, rows[3], rows[4], flat, rows[2])
    with FlopCounterMode(display=False) as counter:
        learner.update(batch)
    last = 2 * CONFIG.batch * CONFIG.critics * 256
    assert counter.get_total_flops() == operations(CONFIG, SIZES) - 6 * last
