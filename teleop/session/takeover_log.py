"""Records why and how long a person took over in each episode."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from leash_robot.robot.dataset.takeovers import Stretch, add_takeover
from leash_robot.robot.types import Tick
from leash_robot.teleop.intervention.takeover import TakeoverStatus
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.files import BackgroundWriter
from leash_robot.teleop.session.states import SessionState

EVERY = 10
"""A stretch that lasts is kept anew after so many ticks, so that a kill costs no more of it."""


class TakeoverLog:
    """Fits `Log`, to stand behind the session's: hands each stretch of a takeover to `keep` as it grows, and when it is
    over.
    """

    def __init__(
        self, episodes: EpisodeStateMachine, status: Callable[[], TakeoverStatus], keep: Callable[[Stretch], None]
    ) -> None:
        self._episodes, self._status, self._keep = episodes, status, keep
        self._running: Stretch | None = None
        self._seen: tuple[int | None, int] = (None, 0)
        self.ticks = 0
        """Recorded ticks."""
        self.human = 0
        """Those at which the person had the authority."""
        self.takeovers: set[int] = set()
        """Numbers of the recorded takeovers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end("episode")

    def add(self, tick: Tick) -> None:
        """Note one tick, which the session has recorded or not."""
        now, index, ticks = self._status(), self._episodes.status.index, self._episodes.quality.ticks
        recorded = (index, ticks) != self._seen and ticks > 0
        self._seen = (index, ticks)
        self.ticks += recorded
        if recorded and now.taken:
            self._grow(f"episode_{index:06d}.mcap", ticks - 1, now)
        elif not now.taken:
            self._end(now.ended)
        if self._episodes.status.state is not SessionState.RECORDING:
            self._end("episode")

    def figures(self, period: float) -> dict[str, float | int]:
        """How much of what was recorded the person drove; `period` is the length of a tick [s]."""
        share = self.human / self.ticks if self.ticks else 0.0
        return {"takeovers": len(self.takeovers), "intervention_rate": share, "human_s": self.human * period}

    def _grow(self, episode: str, number: int, now: TakeoverStatus) -> None:
        running = self._running
        if running is None or (running.episode, running.takeover) != (episode, now.takeover_id):
            self._end("episode")
            running = Stretch(episode, now.takeover_id, now.reason, number, 0, "")
        self.human += 1
        self.takeovers.add(now.takeover_id)
        self._running = replace(running, ticks=number + 1 - running.first)
        if self._running.ticks % EVERY == 1:
            self._keep(self._running)

    def _end(self, how: str) -> None:
        if self._running is not None:
            self._keep(replace(self._running, ended=how))
        self._running = None


class TakeoverWriter(BackgroundWriter):
    """Writes stretches in a thread of its own, so that the loop does not wait for the disk."""

    def __init__(self, folder: Path, ids: Mapping[str, str]) -> None:
        """`ids` are those of the session's episodes by file name."""
        super().__init__()
        self._folder, self._ids = folder, ids

    def __call__(self, stretch: Stretch) -> None:
        """Keep one stretch; does not wait."""
        stretch = replace(stretch, id=self._ids.get(stretch.episode, ""))
        lost = f"takeover {stretch.takeover} of {stretch.episode} was for {stretch.reason}"
        self.write(lost, add_takeover, self._folder, stretch)
