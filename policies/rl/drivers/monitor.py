"""What a driver tells a person while it trains; launch draws it."""

from typing import Protocol

from leash_robot.policies.rl.config import TrainingConfig


class TrainingMonitor(Protocol):
    """A progress bar, or nothing."""

    def phase(self, name: str) -> None:
        """Something begins whose duration is not known."""
        ...

    def learned(self, updates: int, minutes: float, figures: str) -> None:
        """How learning stands."""
        ...

    def demonstrated(self, counts: dict[str, int]) -> None:
        """Demonstrations ended: `demonstrated` steps, of which `left_out` cannot be cloned."""
        ...

    def check_rate(self, config: TrainingConfig, before: float, rate: float) -> None:
        """Raise UsageError where no snapshot would be evaluated in the training's minutes, at this rate [updates/s].

        `before` are the minutes that earlier parts took; a rate of 0 is not known yet.
        """
        ...


def progress_text(steps: int, reward: float | None, episode: str = "") -> str:
    """How it goes, in a few words."""
    shown = "" if reward is None else f" · reward {reward:.2f}"
    return f"{steps} steps{shown}{f' · {episode} an episode' if episode and shown else ''}"
