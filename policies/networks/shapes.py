"""Names and shapes of a network's weights, for those who only act with them and need no torch."""

import itertools

from leash_robot.policies.manifest import NetworkConfig


def shapes(config: NetworkConfig, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a `leash_robot.policies.networks.mlp.Ensemble`."""
    widths = [inputs, *config.hidden, outputs]
    made: dict[str, tuple[int, ...]] = {}
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
        made[f"weight_{layer}"] = (config.members, before, after)
        made[f"bias_{layer}"] = (config.members, 1, after)
        if layer < len(config.hidden):
            made[f"gain_{layer}"] = made[f"shift_{layer}"] = (config.members, 1, after)
    return made
