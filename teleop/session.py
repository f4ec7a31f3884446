"""A recording session: which ticks become which episode, and what became of it. Events in, episodes out."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol, Self

from robot.episode_info import Outcome
from robot.errors import EpisodeError
from robot.types import Tick
from teleop.operator import Event, Intent
from teleop.quality import Bounds, Quality, Watch


class State(StrEnum):
    """Where a session is."""

    IDLE = "idle"
    """Nothing is recorded, nothing waits for a label."""
    RECORDING = "recording"
    STOPPED = "stopped"
    """The last episode has ended; its label may still be given or undone."""
    DONE = "done"


class Timer(Enum):
    """What happens without anybody pressing anything."""

    LIMIT = "limit"
    """The episode is as long as it may be."""
    EXPIRED = "expired"
    """The time for changing a label is over."""


class Effect(Enum):
    """What a transition does, in the order listed there."""

    BEGIN = "begin"
    END = "end"
    LABEL = "label"
    UNDO = "undo"
    COMMIT = "commit"


LABELS: Mapping[Event, Outcome] = {Event.SUCCESS: "success", Event.FAIL: "failure", Event.DISCARD: "discarded"}

TRANSITIONS: Mapping[tuple[State, Event | Timer], tuple[State, tuple[Effect, ...]]] = {
    (State.IDLE, Event.START): (State.RECORDING, (Effect.BEGIN,)),
    (State.IDLE, Event.QUIT): (State.DONE, ()),
    (State.RECORDING, Event.STOP): (State.STOPPED, (Effect.END,)),
    (State.RECORDING, Event.SUCCESS): (State.STOPPED, (Effect.END, Effect.LABEL)),
    (State.RECORDING, Event.FAIL): (State.STOPPED, (Effect.END, Effect.LABEL)),
    (State.RECORDING, Event.DISCARD): (State.STOPPED, (Effect.END, Effect.LABEL)),
    (State.RECORDING, Event.ESTOP): (State.STOPPED, (Effect.END,)),
    (State.RECORDING, Timer.LIMIT): (State.STOPPED, (Effect.END,)),
    (State.RECORDING, Event.QUIT): (State.DONE, (Effect.END, Effect.COMMIT)),
    (State.STOPPED, Event.START): (State.RECORDING, (Effect.COMMIT, Effect.BEGIN)),
    (State.STOPPED, Event.SUCCESS): (State.STOPPED, (Effect.LABEL,)),
    (State.STOPPED, Event.FAIL): (State.STOPPED, (Effect.LABEL,)),
    (State.STOPPED, Event.DISCARD): (State.STOPPED, (Effect.LABEL,)),
    (State.STOPPED, Event.UNDO): (State.STOPPED, (Effect.UNDO,)),
    (State.STOPPED, Timer.EXPIRED): (State.IDLE, (Effect.COMMIT,)),
    (State.STOPPED, Event.QUIT): (State.DONE, (Effect.COMMIT,)),
}
"""Everything else changes nothing."""


class Recorder(Protocol):
    """Where episodes are written."""

    def begin(self) -> int:
        """Open the next episode and return its number. Raises EpisodeError."""
        ...

    def add(self, tick: Tick) -> None:
        """Take one tick of it."""
        ...

    def end(self, outcome: Outcome = "unlabelled") -> None:
        """Close it."""
        ...


@dataclass(frozen=True)
class SessionConfig:
    """How a session runs."""

    rate: float = 20.0
    """Ticks a second that the loop should achieve."""
    longest: float = 600.0
    """An episode ends by itself after this long [s]."""
    undo: float = 30.0
    """How long a label can be changed [s]."""
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class SessionStatus:
    """What the person needs to see."""

    state: State
    index: int | None
    """Number of the current or last episode."""
    seconds: float
    """Length of the current or last episode [s]."""
    outcome: Outcome
    """Label of the last episode; unlabelled until somebody says so."""
    counts: Mapping[Outcome, int]
    """Finished episodes by outcome, those of earlier sessions included."""
    undo_left: float = 0.0
    """How long the last label can still be changed [s]."""
    warnings: tuple[str, ...] = ()
    """What the last episode lacks, or why none could begin."""

    @property
    def kept(self) -> int:
        """Episodes that were not discarded."""
        return sum(count for outcome, count in self.counts.items() if outcome != "discarded")


class Session:
    """Fits `Log`. Hands the ticks of episodes to the recorder, as the operator's events say.

    The recorder learns of an episode's end once its label can no longer change: at the next start, when the time for
    undoing is over, or at the end of the session, however that comes about.
    """

    def __init__(
        self,
        recorder: Recorder,
        intent: Callable[[], Intent],
        config: SessionConfig | None = None,
        counts: Mapping[Outcome, int] | None = None,
    ) -> None:
        """`intent` returns what the operator asked at the current tick; `counts` is what the folder already holds."""
        self._recorder = recorder
        self._intent = intent
        self._config = config or SessionConfig()
        self._counts: Counter[Outcome] = Counter(counts or {})
        self._labels: list[Outcome] = ["unlabelled"]
        self._watch = Watch()
        self._state = State.IDLE
        self._index: int | None = None
        self._now = self._ended = 0.0
        self._warnings: tuple[str, ...] = ()
        self.notes: list[tuple[int | None, float, str]] = []
        """Notes: episode number, seconds into it, text."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._on(Event.QUIT)

    @property
    def quality(self) -> Quality:
        """Figures of the current or last episode."""
        return self._watch.quality

    @property
    def status(self) -> SessionStatus:
        """What the person needs to see."""
        counts, waiting = self._counts.copy(), self._state is State.STOPPED
        counts[self._labels[-1]] += waiting
        left = max(0.0, self._ended + self._config.undo - self._now) if waiting else 0.0
        return SessionStatus(
            self._state, self._index, self.quality.seconds, self._labels[-1], counts, left, self._warnings
        )

    def add(self, tick: Tick) -> None:
        """Take one tick, after the events that came with it."""
        self._now = tick.obs.time
        intent = self._intent()
        for event in intent.events:
            self._on(event)
            if event is Event.NOTE:
                self.notes.append((self._index, self.quality.seconds, intent.note))
        if self._state is State.STOPPED and self._now - self._ended >= self._config.undo:
            self._on(Timer.EXPIRED)
        if self._state is State.RECORDING:
            self._record(tick)

    def _record(self, tick: Tick) -> None:
        self._recorder.add(tick)
        self._watch.add(tick)
        if self.quality.seconds >= self._config.longest:
            self._on(Timer.LIMIT)

    def _on(self, trigger: Event | Timer) -> None:
        transition = TRANSITIONS.get((self._state, trigger))
        if transition is None:
            return
        self._state, effects = transition
        for effect in effects:
            self._do(effect, trigger)

    def _do(self, effect: Effect, trigger: Event | Timer) -> None:
        match effect:
            case Effect.BEGIN:
                self._begin()
            case Effect.END:
                self._ended = self._now
                self._warnings = self.quality.warnings(self._config.rate, self._config.bounds)
            case Effect.LABEL if isinstance(trigger, Event):
                self._labels.append(LABELS[trigger])
                self._ended = self._now
            case Effect.UNDO:
                self._labels = self._labels[:-1] or ["unlabelled"]
            case Effect.COMMIT:
                self._recorder.end(self._labels[-1])
                self._counts[self._labels[-1]] += 1

    def _begin(self) -> None:
        self._labels, self._watch, self._warnings = ["unlabelled"], Watch(), ()
        try:
            self._index = self._recorder.begin()
        except EpisodeError as error:
            self._state, self._warnings = State.IDLE, (str(error),)
