"""The states of a recording session, and what leads from one to another."""

from collections.abc import Mapping
from enum import Enum, StrEnum

from leash_robot.robot.dataset.metadata import Outcome, Reason
from leash_robot.teleop.operator import Event


class SessionState(StrEnum):
    """Where a session is."""

    IDLE = "idle"
    """No episode runs, and no label can be changed."""
    RECORDING = "recording"
    STOPPED = "stopped"
    """The last episode has ended; its label may still be given or undone."""
    DONE = "done"


class Timer(Enum):
    """What happens without a key or button."""

    LIMIT = "limit"
    """The episode is as long as it may be."""
    EXPIRED = "expired"
    """The time for changing a label is over."""
    CUT = "cut"
    """The disk ended the episode."""
    FAULT = "fault"
    """Something other than a person stopped the robot."""


class Effect(Enum):
    """What a transition does."""

    BEGIN = "begin"
    END = "end"
    LABEL = "label"
    UNDO = "undo"


LABELS: Mapping[Event | Timer, Outcome] = {
    Event.SUCCESS: "success",
    Event.FAIL: "failure",
    Event.DISCARD: "discarded",
}

REASONS: Mapping[Event | Timer, tuple[Reason, str]] = {
    Event.STOP: ("stopped", "stop"),
    Event.SUCCESS: ("success", ""),
    Event.FAIL: ("failure", ""),
    Event.DISCARD: ("stopped", "discard"),
    Event.ESTOP: ("stopped", "e-stop"),
    Event.QUIT: ("stopped", "quit"),
    Timer.LIMIT: ("timeout", "time limit"),
    Timer.CUT: ("fault", ""),
    Timer.FAULT: ("fault", ""),
}
"""Why an episode ended, and what exactly ended it, by what led out of recording."""

TRANSITIONS: Mapping[tuple[SessionState, Event | Timer], tuple[SessionState, Effect | None]] = {
    (SessionState.IDLE, Event.START): (SessionState.RECORDING, Effect.BEGIN),
    (SessionState.IDLE, Event.QUIT): (SessionState.DONE, None),
    (SessionState.RECORDING, Event.STOP): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Event.SUCCESS): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Event.FAIL): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Event.DISCARD): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Event.ESTOP): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Event.UNDO): (SessionState.RECORDING, Effect.UNDO),
    (SessionState.RECORDING, Event.QUIT): (SessionState.DONE, Effect.END),
    (SessionState.RECORDING, Timer.LIMIT): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Timer.CUT): (SessionState.STOPPED, Effect.END),
    (SessionState.RECORDING, Timer.FAULT): (SessionState.STOPPED, Effect.END),
    (SessionState.STOPPED, Event.START): (SessionState.RECORDING, Effect.BEGIN),
    (SessionState.STOPPED, Event.SUCCESS): (SessionState.STOPPED, Effect.LABEL),
    (SessionState.STOPPED, Event.FAIL): (SessionState.STOPPED, Effect.LABEL),
    (SessionState.STOPPED, Event.DISCARD): (SessionState.STOPPED, Effect.LABEL),
    (SessionState.STOPPED, Event.UNDO): (SessionState.STOPPED, Effect.UNDO),
    (SessionState.STOPPED, Event.QUIT): (SessionState.DONE, None),
    (SessionState.STOPPED, Timer.EXPIRED): (SessionState.IDLE, None),
}
"""Everything else changes nothing. An episode without a label is unlabelled."""
