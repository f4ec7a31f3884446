"""Leads a person through the tracks of a round: when each begins and ends, and what they can do now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Self

from leash_robot.launch.dagger.progress import TrackBook
from leash_robot.launch.dagger.stage import TrackStage
from leash_robot.robot.types import Tick
from leash_robot.sim.envs.line_track import TrackReferee, Verdict
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Event, Intent, Operator

EARLY = frozenset({Event.HANDBACK, Event.TAKEOVER})
"""What means nothing before a track has begun; a hand-back that comes late must not begin the next one."""
LEAVE = frozenset({Event.STOP, Event.ESTOP, Event.QUIT})
"""What leaves one in the middle."""
ENDS: Mapping[Verdict, str] = {
    "completed": "was completed",
    "strayed": "ended too far from the line",
    "fell": "ended in a fall",
    "late": "ended too slow",
}


class Usher:
    """Fits `Operator`: somebody whose takeovers and hand-backs count while a track is recorded, and not before."""

    def __init__(self, operator: Operator, recording: Callable[[], bool]) -> None:
        """The operator is opened by its owner."""
        self._operator, self._recording = operator, recording

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        """What is asked now."""
        intent = self._operator.read(now)
        if self._recording():
            return intent
        return replace(intent, events=tuple(event for event in intent.events if event not in EARLY))


class Guide:
    """Fits `Log`, to stand behind the session's, whose intents it also prepares.

    A track begins when the person is ready, and until then neither the referee nor the recorder sees it. When it is
    over, the robot goes to the start of the next one, where the dead-man must rest before it counts. A robot that was
    stopped stays where it is until the person re-arms it.
    """

    def __init__(self, stage: TrackStage, book: TrackBook, drive: Drive, ready: str) -> None:
        """`ready` says how to begin."""
        self._stage, self._book, self._drive, self._ready = stage, book, drive, ready
        self._held = self._was = False
        self._last: TrackReferee | None = None
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
        if self._book.recording:
            events = tuple(self._ending(intent.events))
        else:
            events = tuple(self._beginning(intent.events, pressed=pressed))
        return replace(intent, events=events)

    def add(self, tick: Tick) -> None:
        """Follow the robot while it is recorded; afterwards send it to the track whose turn it is."""
        recording = self._book.recording
        if recording:
            self._last = self._stage.referee
            self._last.add(tick)
        moved_on = not recording and (self._was or self._stage.seed != self._book.seed)
        if moved_on and not self._drive.stopped:
            self._drive.stop()
            self._drive.rearm()
        self._was = recording

    def hint(self) -> str:
        """What the person can do now; empty while a track is driven."""
        book = self._book
        if book.recording or self._drive.stopped:
            return ""
        if book.full:
            all_driven = (
                f"All {book.wanted} tracks are driven: START (Record) goes on, DISCARD takes the last one back."
            )
            return self._before + all_driven
        return f"{self._before}Track {book.kept + 1} of {book.wanted}: {self._ready}"

    def _ending(self, events: tuple[Event, ...]) -> Iterator[Event]:
        """A verdict ends a track, and what leaves it in the middle discards it."""
        verdict = self._stage.referee.verdict
        if verdict != "running":
            yield Event.SUCCESS if verdict == "completed" else Event.FAIL
        elif self._drive.stopped or LEAVE.intersection(events):
            yield Event.DISCARD
        yield from events

    def _beginning(self, events: tuple[Event, ...], *, pressed: bool) -> Iterator[Event]:
        """Readiness begins the next track, or ends the session when there is none."""
        yield from (event for event in events if event is not Event.START)
        if pressed or Event.START in events:
            yield Event.QUIT if self._book.full else Event.START

    @property
    def _before(self) -> str:
        """What became of the last track."""
        if self._last is None:
            return ""
        if self._book.last == "discarded":
            return "The last one is not kept and comes again. "
        if self._last.verdict == "running":
            return f"The last one is kept as {self._book.last}. "
        return f"The last one {ENDS[self._last.verdict]} at {self._last.progress:.0%}. "
