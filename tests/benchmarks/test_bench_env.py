"""The environment's bench measures all three worlds and says how they compare."""

from leash_robot.benchmarks.learning.env import measure


def test_it_gives_the_rates_and_their_ratios() -> None:
    figures = measure(0.0)
    assert all(value > 0 for value in figures.values())
    assert figures["ratio"] == figures["steps_per_s"] / figures["a1_steps_per_s"]
    assert figures["ratio_no_self_collision"] == figures["steps_per_s"] / figures["a1_no_self_collision_steps_per_s"]
