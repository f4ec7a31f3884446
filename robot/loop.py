"""The loop: observe, act, send, log."""

from collections.abc import Callable

from leash_robot.robot.types import Log, Policy, Robot, Tick


def forever(_: Tick) -> bool:
    """Never done."""
    return False


def run(
    robot: Robot, policy: Policy, log: Log, *, ticks: int | None = None, done: Callable[[Tick], bool] = forever
) -> int:
    """Drive a robot that is ready (`reset`) until `ticks` have passed or `done(tick)`; return how many passed."""
    policy.reset()
    count = 0
    while count != ticks:
        obs = robot.observe()
        wanted = policy.act(obs)
        sent = robot.send(wanted)
        tick = Tick(obs, wanted, sent)
        log.add(tick)
        count += 1
        if done(tick):
            break
    return count
