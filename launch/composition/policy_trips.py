"""How long a policy takes to answer, asked as the loop asks it."""

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from leash_robot.launch.composition.plan import Plan
from leash_robot.launch.composition.policies import open_policy
from leash_robot.robot.clock import Grid, MonotonicClock
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Observation

COMMAND = (0.2, 0.0, 0.0)


def policy_trips(name: str, spec: Spec, plan: Plan, seen: Iterable[Observation]) -> Array:
    """Seconds from each question to its answer, a tick apart; an answer that is late counts with the deadline."""
    took = []
    with open_policy(name, spec, plan) as handle:
        policy = handle.with_command(COMMAND)
        policy.reset()
        grid = Grid(spec.period, MonotonicClock())
        for obs in seen:
            grid.wait()
            begun = time.monotonic()
            policy.act(replace(obs, late=0.0))
            took.append(time.monotonic() - begun)
    return np.array(took)
