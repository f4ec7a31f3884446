"""The states of a recording session, and what leads from one to another."""

from collections.abc import Mapping
from enum import Enum, StrEnum

from leash_robot.robot.dataset.metadata import Outcome, Reason
from leash_robot.teleop.operator import Event


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
    CUT = "cut"
    """The disk ended the episode."""
    FAULT = "fault"
    """Something stopped the robot, and not a person."""


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

TRANSITIONS: Mapping[tuple[State, Event | Timer], tuple[State, Effect | None]] = {
    (State.IDLE, Event.START): (State.RECORDING, Effect.BEGIN),
    (State.IDLE, Event.QUIT): (State.DONE, None),
    (State.RECORDING, Event.STOP): (State.STOPPED, Effect.END),
    (State.RECORDING, Event.SUCCESS): (State.STOPPED, Effect.END),
    (State.RECORDING, Event.FAIL): (State.STOPPED, Effect.END),
    (State.RECORDING, Event.DISCARD): (State.STOPPED, Effect.END),
    (State.RECORDING, Event.ESTOP): (State.STOPPED, Effect.END),
    (State.RECORDING, Event.UNDO): (State.RECORDING, Effect.UNDO),
    (State.RECORDING, Event.QUIT): (State.DONE, Effect.END),
    (State.RECORDING, Timer.LIMIT): (State.STOPPED, Effect.END),
    (State.RECORDING, Timer.CUT): (State.STOPPED, Effect.END),
    (State.RECORDING, Timer.FAULT): (State.STOPPED, Effect.END),
    (State.STOPPED, Event.START): (State.RECORDING, Effect.BEGIN),
    (State.STOPPED, Event.SUCCESS): (State.STOPPED, Effect.LABEL),
    (State.STOPPED, Event.FAIL): (State.STOPPED, Effect.LABEL),
    (State.STOPPED, Event.DISCARD): (State.STOPPED, Effect.LABEL),
    (State.STOPPED, Event.UNDO): (State.STOPPED, Effect.UNDO),
    (State.STOPPED, Event.QUIT): (State.DONE, None),
    (State.STOPPED, Timer.EXPIRED): (State.IDLE, None),
}
"""Everything else changes nothing. An episode that nobody judged is unlabelled."""
