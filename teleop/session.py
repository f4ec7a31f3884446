"""A recording session: which ticks become which episode, and what became of it. Events in, episodes out."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from robot.episode_info import Outcome
from robot.errors import EpisodeError
from robot.types import Tick
from teleop.operator import Event, Intent
from teleop.quality import Bounds, Quality, Watch
from teleop.session_states import LABELS, TRANSITIONS, Effect, State, Timer


class Recorder(Protocol):
    """Where episodes are written."""

    @property
    def cut_short(self) -> Mapping[int, str]:
        """Episodes that the disk ended early, and why."""
        ...

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

    An episode is complete on its end, whatever follows; a label given or undone later is a second thought, and goes to
    `relabel`. Undoing reaches the last episode that ended, also while the next one runs. An episode that the disk cut
    short ends at once and stays unlabelled, unless it is discarded.
    """

    def __init__(
        self,
        recorder: Recorder,
        relabel: Callable[[int, Outcome], None],
        intent: Callable[[], Intent],
        config: SessionConfig | None = None,
        counts: Mapping[Outcome, int] | None = None,
    ) -> None:
        """`intent` returns what the operator asked at the current tick; `counts` is what the folder already holds."""
        self._recorder = recorder
        self._relabel = relabel
        self._intent = intent
        self._config = config or SessionConfig()
        self._counts: Counter[Outcome] = Counter(counts or {})
        self._watch = Watch()
        self._state = State.IDLE
        self._index: int | None = None
        self._now = 0.0
        self._judged = _Judged(-1, [])
        self._warnings: tuple[str, ...] = ()
        self.notes: list[tuple[int | None, float, str]] = []
        """Notes: episode number, seconds into it, text."""
        self.refusals: list[str] = []
        """Why episodes could not begin."""

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
        self._heed()
        outcome = self._judged.labels[-1] if self._judged.labels else "unlabelled"
        left = max(0.0, self._judged.until - self._now)
        counts = dict(self._counts)
        return SessionStatus(self._state, self._index, self.quality.seconds, outcome, counts, left, self._warnings)

    def add(self, tick: Tick) -> None:
        """Take one tick, after the events that came with it."""
        self._now = tick.obs.time
        self._heed()
        intent = self._intent()
        for event in intent.events:
            self._hear(event, intent, tick)
        if self._now >= self._judged.until:
            self._on(Timer.EXPIRED)
        if self._state is State.RECORDING:
            self._record(tick)

    def _hear(self, event: Event, intent: Intent, tick: Tick) -> None:
        if event is Event.NOTE:
            self.notes.append((self._index, self.quality.seconds, intent.note))
        elif event is Event.START and tick.wanted.source == "safety":
            self._warnings = ("the robot is stopped; re-arm it before the next episode",)
        else:
            self._on(event)

    def _record(self, tick: Tick) -> None:
        """Keep a tick; one at which a soft stop was asked for, time ran out or the disk was full, is the last."""
        self._recorder.add(tick)
        self._watch.add(tick)
        if self._index in self._recorder.cut_short:
            self._on(Timer.CUT)
        elif tick.wanted.source == "safety":
            self._on(Event.ESTOP)
        elif self.quality.seconds >= self._config.longest:
            self._on(Timer.LIMIT)

    def _on(self, trigger: Event | Timer) -> None:
        self._state, effect = TRANSITIONS.get((self._state, trigger), (self._state, None))
        match effect:
            case Effect.BEGIN:
                self._begin()
            case Effect.END:
                self._end(LABELS.get(trigger, "unlabelled"))
            case Effect.LABEL if not self._judged.cut or trigger is Event.DISCARD:
                self._judge([*self._judged.labels, LABELS[trigger]])
                self._judged.until = self._now + self._config.undo
            case Effect.UNDO if len(self._judged.labels) > 1 and self._now < self._judged.until:
                self._judge(self._judged.labels[:-1])

    def _begin(self) -> None:
        try:
            self._index = self._recorder.begin()
        except EpisodeError as error:
            self._state, self._warnings = State.IDLE, (str(error),)
            self.refusals.append(str(error))
            return
        self._watch, self._warnings = Watch(), ()

    def _end(self, outcome: Outcome) -> None:
        cut = self._recorder.cut_short.get(self._index or 0, "")
        if cut and outcome != "discarded":
            outcome = "unlabelled"
        self._recorder.end(outcome)
        labels: list[Outcome] = ["unlabelled"] if outcome == "unlabelled" else ["unlabelled", outcome]
        self._judged = _Judged(self._index or 0, labels, self._now + self._config.undo, bool(cut))
        self._counts[outcome] += 1
        self._warnings = (*filter(None, [cut]), *self.quality.warnings(self._config.rate, self._config.bounds))

    def _heed(self) -> None:
        """Take a label back when the disk turns out to have failed at the very end of the episode."""
        judged, cut = self._judged, self._recorder.cut_short.get(self._judged.index)
        if cut and not judged.cut:
            judged.cut = True
            self._warnings = (cut, *self._warnings)
            if judged.labels[-1] != "discarded":
                self._counts[judged.labels[-1]] -= 1
                self._counts["unlabelled"] += 1
                judged.labels = ["unlabelled"]

    def _judge(self, labels: list[Outcome]) -> None:
        """Change what the last episode was."""
        self._counts[self._judged.labels[-1]] -= 1
        self._counts[labels[-1]] += 1
        self._judged.labels = labels
        self._relabel(self._judged.index, labels[-1])


@dataclass
class _Judged:
    """The last episode that ended, and what it was called, newest last."""

    index: int
    labels: list[Outcome]
    until: float = -math.inf
    """When its label becomes final [s]."""
    cut: bool = False
    """Whether the disk ended it early."""
