"""The state machine of a recording session: events of the operator in, episodes with an outcome out."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from leash_robot.robot.dataset.metadata import Outcome, Reason, reason_of
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import Tick
from leash_robot.teleop.operator import Event, Intent
from leash_robot.teleop.session.quality import Bounds, Quality, QualityMonitor
from leash_robot.teleop.session.states import LABELS, REASONS, TRANSITIONS, Effect, SessionState, Timer


class EpisodeRecorder(Protocol):
    """Where episodes are written."""

    @property
    def cut_short(self) -> Mapping[int, str]:
        """Episodes that the disk ended early, and why."""
        ...

    @property
    def missing(self) -> Mapping[int, str]:
        """Episodes that have no file after all, and why."""
        ...

    def begin(self) -> int:
        """Open the next episode and return its number. Raises EpisodeError."""
        ...

    def add(self, tick: Tick) -> None:
        """Take one tick of it."""
        ...

    def end(self, outcome: Outcome = "unlabelled", reason: Reason = "stopped", detail: str = "") -> None:
        """Close it, and say why it ended."""
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
    default_outcome: Outcome = "unlabelled"
    """The outcome of an episode that ended without a label."""
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class SessionStatus:
    """What the page and the terminal show."""

    state: SessionState
    index: int | None
    """Number of the current or last episode."""
    seconds: float
    """Length of the current or last episode [s]."""
    outcome: Outcome
    """Label of the last episode; unlabelled until the person gives one."""
    counts: Mapping[Outcome, int]
    """Finished episodes by outcome, those of earlier sessions included."""
    undo_left: float = 0.0
    """How long the last label can still be changed [s]."""
    warnings: tuple[str, ...] = ()
    """What the last episode lacks, or why none could begin."""
    reason: Reason | None = None
    """Why the last episode ended."""
    detail: str = ""
    """What exactly ended it."""

    @property
    def kept(self) -> int:
        """Episodes that were not discarded."""
        return sum(count for outcome, count in self.counts.items() if outcome != "discarded")


class EpisodeStateMachine:
    """Fits `Log`. Hands the ticks of episodes to the recorder, as the operator's events say.

    An episode is complete on its end, whatever follows; a label given or undone later goes to `relabel`. Undoing
    reaches the last episode that ended, also while the next one runs. An episode that the disk cut short ends at once
    and stays unlabelled, unless it is discarded. One that ended before its first tick leaves no episode.
    """

    def __init__(
        self,
        recorder: EpisodeRecorder,
        relabel: Callable[[int, Outcome], None],
        intent: Callable[[], Intent],
        config: SessionConfig | None = None,
        counts: Mapping[Outcome, int] | None = None,
        note: Callable[[int | None, float, str], object] = lambda index, seconds, text: None,
        cause: Callable[[], str] = str,
    ) -> None:
        """`intent` returns what the operator asked at the current tick; `counts` is what the folder already holds;
        `note` keeps a note: episode number, seconds into it, text;
        `cause` says what stopped the robot, where no person did.
        """
        self._recorder = recorder
        self._relabel = relabel
        self._intent = intent
        self._config = config or SessionConfig()
        self._counts: Counter[Outcome] = Counter(counts or {})
        self._quality = QualityMonitor()
        self._state = SessionState.IDLE
        self._index: int | None = None
        self._now = 0.0
        self._note, self._cause = note, cause
        self._last = _EndedEpisode(-1, [])
        self._ended: dict[int, _EndedEpisode] = {}
        self._why: tuple[Reason, str] | None = None
        self._warnings: tuple[str, ...] = ()
        self.notes: list[tuple[int | None, float, str]] = []
        """Notes: episode number, seconds into it, text."""
        self.refusals: list[str] = []
        """Why episodes could not begin."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.interrupt(exc[1])

    def interrupt(self, error: object = None) -> None:
        """End the session, as an exception does, or the end of the program when there is none."""
        self._why = reason_of(error)
        self._apply(Event.QUIT)

    def stop(self, cause: str) -> None:
        """End the session: a person stopped the robot by other means than the operator's device."""
        self._why = "stopped", cause
        self._apply(Event.QUIT)

    def fault(self, cause: str) -> None:
        """End the running episode: something other than a person stopped the robot."""
        self._why = "fault", cause
        self._apply(Timer.FAULT)

    @property
    def quality(self) -> Quality:
        """Figures of the current or last episode."""
        return self._quality.quality

    @property
    def status(self) -> SessionStatus:
        """What the person needs to see."""
        self._check_disk()
        outcome = self._last.labels[-1] if self._last.labels else "unlabelled"
        left = max(0.0, self._last.until - self._now)
        counts, (reason, detail) = dict(self._counts), self._last.why
        seconds, warnings = self.quality.seconds, self._warnings
        return SessionStatus(self._state, self._index, seconds, outcome, counts, left, warnings, reason, detail)

    def add(self, tick: Tick) -> None:
        """Take one tick, after the events that came with it."""
        self._now = tick.obs.time
        self._check_disk()
        intent = self._intent()
        for event in intent.events:
            self._handle_event(event, intent, tick)
        if self._now >= self._last.until:
            self._apply(Timer.EXPIRED)
        if self._state is SessionState.RECORDING:
            self._record(tick)

    def _handle_event(self, event: Event, intent: Intent, tick: Tick) -> None:
        if event is Event.NOTE:
            self.notes.append((self._index, self.quality.seconds, intent.note))
            self._note(*self.notes[-1])
        elif event is Event.START and tick.wanted.source == "safety":
            self._warnings = ("the robot is stopped; re-arm it before the next episode",)
        else:
            self._apply(event)

    def _record(self, tick: Tick) -> None:
        """Keep a tick; the last is one with a soft stop, at the time limit, or at which the disk was full."""
        self._recorder.add(tick)
        self._quality.add(tick)
        if cut := self._recorder.cut_short.get(self._index or 0):
            self._why = "fault", cut
            self._apply(Timer.CUT)
        elif tick.wanted.source == "safety":
            self.fault(self._cause() or "the robot was stopped")
        elif self.quality.seconds >= self._config.longest:
            self._apply(Timer.LIMIT)

    def _apply(self, trigger: Event | Timer) -> None:
        self._state, effect = TRANSITIONS.get((self._state, trigger), (self._state, None))
        match effect:
            case Effect.BEGIN:
                self._begin()
            case Effect.END:
                self._end(LABELS.get(trigger, self._config.default_outcome), *(self._why or REASONS[trigger]))
            case Effect.LABEL if self._may_be_labelled(LABELS[trigger]):
                self._relabel_last([*self._last.labels, LABELS[trigger]])
                self._last.until = self._now + self._config.undo
            case Effect.UNDO if len(self._last.labels) > 1 and self._now < self._last.until:
                self._relabel_last(self._last.labels[:-1])
        self._why = None

    def _may_be_labelled(self, outcome: Outcome) -> bool:
        """Whether the last episode may be called that: one that the disk cut short is at most discarded."""
        return self._last.index in self._ended and (not self._last.cut or outcome == "discarded")

    def _begin(self) -> None:
        try:
            self._index = self._recorder.begin()
        except EpisodeError as error:
            self._state, self._warnings = SessionState.IDLE, (str(error),)
            self.refusals.append(str(error))
            return
        self._quality, self._warnings = QualityMonitor(), ()

    def _end(self, outcome: Outcome, reason: Reason, detail: str) -> None:
        cut = self._recorder.cut_short.get(self._index or 0, "")
        if not self.quality.ticks:
            self._end_empty(reason, detail)
            return
        if cut:
            outcome = outcome if outcome == "discarded" else "unlabelled"
            reason, detail = "fault", cut
        self._recorder.end(outcome, reason, detail)
        labels: list[Outcome] = ["unlabelled"] if outcome == "unlabelled" else ["unlabelled", outcome]
        self._last = _EndedEpisode(self._index or 0, labels, (reason, detail), self._now + self._config.undo, bool(cut))
        self._ended[self._last.index] = self._last
        self._counts[outcome] += 1
        self._warnings = (*filter(None, [cut]), *self.quality.warnings(self._config.rate, self._config.bounds))

    def _end_empty(self, reason: Reason, detail: str) -> None:
        """An episode without a tick leaves no file, so it has no outcome and does not count."""
        self._recorder.end("unlabelled", reason, detail)
        self._state = SessionState.DONE if self._state is SessionState.DONE else SessionState.IDLE
        self._index = self._last.index if self._ended else None
        self._warnings = ("nothing was recorded: the episode ended before its first tick",)

    def _check_disk(self) -> None:
        """Take a label back when the disk turns out to have failed at the very end of an episode, or all along."""
        for index, cut in self._recorder.cut_short.items():
            ended = self._ended.get(index)
            if ended is not None and not ended.cut:
                self._take_back(ended, cut)
        for index, lost in self._recorder.missing.items():
            if (ended := self._ended.pop(index, None)) is not None:
                self._take_back(ended, lost)
                self._counts[ended.labels[-1]] -= 1

    def _take_back(self, ended: "_EndedEpisode", why: str) -> None:
        ended.cut, ended.why = True, ("fault", why)
        self._warnings = (why, *self._warnings)
        if ended.labels[-1] == "discarded":
            ended.labels = ["unlabelled", "discarded"]
            return
        self._counts[ended.labels[-1]] -= 1
        self._counts["unlabelled"] += 1
        ended.labels = ["unlabelled"]
        if ended.changed:
            self._relabel(ended.index, "unlabelled")

    def _relabel_last(self, labels: list[Outcome]) -> None:
        """Change what the last episode was."""
        self._counts[self._last.labels[-1]] -= 1
        self._counts[labels[-1]] += 1
        self._last.labels, self._last.changed = labels, True
        self._relabel(self._last.index, labels[-1])


@dataclass
class _EndedEpisode:
    """The last episode that ended, and what it was called, newest last."""

    index: int
    labels: list[Outcome]
    why: tuple[Reason | None, str] = (None, "")
    """Why it ended."""
    until: float = -math.inf
    """When its label becomes final [s]."""
    cut: bool = False
    """Whether the disk ended it early."""
    changed: bool = False
    """Whether anything was said after its end, which stands beside its file and counts more than that."""
