"""Which random draws serve which purpose: training, choosing, tuning and reporting never share a seed.

Tracks on which image policies are scored are `leash_robot.policies.imitation.score.HELD_OUT_TRACKS`.

Episodes of the environment (`PupperEnv.reset(seed=...)`), tracks (`draw_track(seed)`) and grids (`leash eval --grid`,
whose draws come from a stream of their own) are numbered separately.
"""

TRAINING = range(2**31)
"""Episodes that are learned from; trainings draw their seeds from here."""
SELECTION = range(2**31, 2**31 + 2**24)
"""Episodes on which snapshots of a training are compared."""
FINAL = range(2**32, 2**32 + 2**24)
"""Episodes on which a chosen policy is scored at the end of its training."""

GRID_TUNING = range(1000)
"""Grids that plans and simulators were, and may be, tuned on; 0, the default of `--seed`, chose the shipped plan."""
GRID_REPORT = range(1000, 2000)
"""Grids that figures are reported from: each once, by a policy that was chosen before."""


def within(purpose: range, first: int, count: int) -> range:
    """`count` seeds from the `first` of a purpose on. Raises ValueError where there are not so many."""
    found = range(purpose.start + first, purpose.start + first + count)
    if first < 0 or count < 0 or found.stop > purpose.stop:
        raise ValueError(
            f"seeds {found.start} to {found.stop - 1} are not all in {purpose.start} to {purpose.stop - 1}"
        )
    return found
