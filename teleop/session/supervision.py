"""A policy and a person at one robot in a recording session: the policy drives only in episodes; takeovers are kept."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leash_robot.robot.types import Log, Tick
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverStatus
from leash_robot.teleop.session.episodes import EpisodeStateMachine
from leash_robot.teleop.session.recording_session import RecordingSession
from leash_robot.teleop.session.states import SessionState
from leash_robot.teleop.session.takeover_log import TakeoverLog, TakeoverWriter


class PolicyHold:
    """Fits `Log`, to stand behind the session's: holds the policy between episodes, and passes what really went out on
    to the takeover.
    """

    def __init__(self, episodes: EpisodeStateMachine, takeover: Takeover) -> None:
        self._episodes, self._takeover = episodes, takeover

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Take one tick."""
        self._takeover.add(tick)
        if self._episodes.status.state is not SessionState.RECORDING:
            self._takeover.hold()


@dataclass(frozen=True)
class SupervisedSession:
    """The logs of a session with takeovers, and where these are kept."""

    takeovers: TakeoverLog
    writer: TakeoverWriter
    status: Callable[[], TakeoverStatus]
    logs: tuple[Log, ...]
    """To stand behind the session's."""


@contextlib.contextmanager
def supervised(
    session: RecordingSession, takeover: Takeover, folder: Path, status: Callable[[], TakeoverStatus]
) -> Iterator[SupervisedSession]:
    """Keep the takeovers of a session in its folder; `status` is the takeover's, or what is to be known of it."""
    session.request = lambda: status().request
    with (
        TakeoverWriter(folder, session.ids) as writer,
        TakeoverLog(session.episodes, status, writer) as takeovers,
    ):
        yield SupervisedSession(takeovers, writer, status, (takeovers, PolicyHold(session.episodes, takeover)))
