"""Leads a person through the tracks of a round: when each begins and ends, and what they can do now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol, Self

from leash_robot.robot.types import Robot, Tick
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Event, Intent, Operator
from leash_robot.teleop.session.track_progress import TrackProgress

EARLY = frozenset({Event.HANDBACK, Event.TAKEOVER})
"""What means nothing before a track has begun; a hand-back that comes late must not begin the next one."""
LEAVE = frozenset({Event.STOP, Event.ESTOP, Event.QUIT})
"""What ends a track in the middle."""
ENDS: Mapping[str, str] = {
    "completed": "was completed",
    "strayed": "ended too far from the line",
    "fell": "ended in a fall",
    "late": "ended too slow",
}
"""How a track ended, by the scorer's verdict."""


class TrackScore(Protocol):
    """Follows the robot along one track."""

    @property
    def verdict(self) -> str:
        """`running` until the track is over; then one of `ENDS`."""
        ...

    @property
    def progress(self) -> float:
        """Part of the track that lies behind the robot, 0..1."""
        ...

    def add(self, tick: Tick) -> None:
        """Take one tick."""
        ...


class RobotOnTracks(Robot, Protocol):
    """A robot that stands up at the start of the next track."""

    @property
    def seed(self) -> int:
        """Of the track that the robot is on."""
        ...

    @property
    def scorer(self) -> TrackScore:
        """Follows the robot along this track, once it has begun."""
        ...


class TakeoverFilter:
    """Fits `Operator`: another one, whose takeovers and hand-backs count only while a track is recorded."""

    def __init__(self, operator: Operator, recording: Callable[[], bool]) -> None:
        """The operator is opened by its owner."""
        self._operator, self._recording = operator, recording

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        """The operator's intent, without takeovers and hand-backs between the tracks."""
        intent = self._operator.read(now)
        if self._recording():
            return intent
        return replace(intent, events=tuple(event for event in intent.events if event not in EARLY))


class TrackGuide:
    """Fits `Log`, to stand behind the session's, whose intents it also prepares.

    A track begins when the person is ready, and until then neither the scorer nor the recorder sees it. When it is
    over, the robot goes to the start of the next one, where the dead-man must rest before it counts. A robot that was
    stopped stays where it is until the person re-arms it.
    """

    def __init__(self, robot: RobotOnTracks, tracks: TrackProgress, drive: Drive, ready: str) -> None:
        """`ready` says how to begin."""
        self._robot, self._tracks, self._drive, self._ready = robot, tracks, drive, ready
        self._held = self._was = False
        self._last: TrackScore | None = None
        self.quit = False
        """Whether the person asked for the end, and not for what comes after the tracks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def intent(self) -> Intent:
        """What the session is to hear of what the person asked at this tick; read once a tick."""
        intent = self._drive.intent
        self.quit = self.quit or Event.QUIT in intent.events
        pressed, self._held = intent.engaged and not self._held, intent.engaged
        if self._tracks.recording:
            events = tuple(self._ending(intent.events))
        else:
            events = tuple(self._beginning(intent.events, pressed=pressed))
        return replace(intent, events=events)

    def add(self, tick: Tick) -> None:
        """Follow the robot while it is recorded; afterwards send it to the next track."""
        recording = self._tracks.recording
        if recording:
            self._last = self._robot.scorer
            self._last.add(tick)
        moved_on = not recording and (self._was or self._robot.seed != self._tracks.seed)
        if moved_on and not self._drive.stopped:
            self._drive.stop()
            self._drive.rearm()
        self._was = recording

    def hint(self) -> str:
        """What the person can do now; empty while a track is driven."""
        tracks = self._tracks
        if tracks.recording or self._drive.stopped:
            return ""
        if tracks.full:
            all_driven = (
                f"All {tracks.target} tracks are driven: START (Record) goes on, DISCARD takes the last one back."
            )
            return self._before + all_driven
        return f"{self._before}Track {tracks.kept + 1} of {tracks.target}: {self._ready}"

    def _ending(self, events: tuple[Event, ...]) -> Iterator[Event]:
        """A verdict ends a track, and what leaves it in the middle discards it."""
        verdict = self._robot.scorer.verdict
        if verdict != "running":
            yield Event.SUCCESS if verdict == "completed" else Event.FAIL
        elif self._drive.stopped or LEAVE.intersection(events):
            yield Event.DISCARD
        yield from events

    def _beginning(self, events: tuple[Event, ...], *, pressed: bool) -> Iterator[Event]:
        """Readiness begins the next track, or ends the session when there is none."""
        yield from (event for event in events if event is not Event.START)
        if pressed or Event.START in events:
            yield Event.QUIT if self._tracks.full else Event.START

    @property
    def _before(self) -> str:
        """What became of the last track."""
        if self._last is None:
            return ""
        if self._tracks.last == "discarded":
            return "The last one is not kept and comes again. "
        if self._last.verdict == "running":
            return f"The last one is kept as {self._tracks.last}. "
        return f"The last one {ENDS[self._last.verdict]} at {self._last.progress:.0%}. "
