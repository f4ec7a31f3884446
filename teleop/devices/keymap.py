"""Which key does what: one table for the screen, for remapping, and for finding conflicts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.operator import Event

Row = tuple[float, float, float]

DIRECTIONS: Mapping[str, Row] = {
    "forward": (1, 0, 0),
    "back": (-1, 0, 0),
    "turn_left": (0, 0, 1),
    "turn_right": (0, 0, -1),
    "arc_left": (1, 0, 1),
    "arc_right": (1, 0, -1),
    "step_left": (0, 1, 0),
    "step_right": (0, -1, 0),
}
"""Deflections forward, left, counter-clockwise. Arcs have keys of their own, for terminals repeat only one key."""

SPEEDS = ("faster", "slower")

ACTIONS = (*DIRECTIONS, *SPEEDS, *(event.value for event in Event))

KEYS: Mapping[str, str] = {
    "forward": "w",
    "back": "s",
    "turn_left": "a",
    "turn_right": "d",
    "arc_left": "q",
    "arc_right": "e",
    "step_left": "z",
    "step_right": "c",
    "faster": "f",
    "slower": "v",
    "estop": "space",
    "rearm": "r",
    "start": "enter",
    "stop": "t",
    "success": "y",
    "fail": "n",
    "discard": "x",
    "undo": "u",
    "note": "m",
    "takeover": "h",
    "handback": "b",
    "quit": "ctrl-d",
}


STOP = "escape"
"""Stops the robot as well as the key that the table has for it."""

PLACES = str.maketrans(
    "йцукенгшщзхъфывапролджэячсмитьбюіїєґ" + "ςερτυθιοπασδφγηξκλζχψωβνμ",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,.s]'\\" + "wertyuiopasdfghjklzxcvbnm",
)
"""What a US keyboard has in the place of a Cyrillic or Greek letter."""


@dataclass(frozen=True)
class KeyMap:
    """A key for each action."""

    keys: Mapping[str, str] = field(default_factory=lambda: KEYS)
    """Key name by action."""

    def __post_init__(self) -> None:
        """Raises OperatorError for unknown or missing actions and for a key that is given to two."""
        if unknown := sorted(set(self.keys) - set(ACTIONS)):
            raise OperatorError(f"no action is called {unknown[0]!r}; known are {', '.join(ACTIONS)}")
        if missing := [action for action in ACTIONS if action not in self.keys]:
            raise OperatorError(f"no key is given for {missing[0]!r}; add {missing[0]}=KEY")
        taken: dict[str, str] = {}
        for action, key in self.keys.items():
            if key == STOP:
                raise OperatorError(f"the key {STOP!r} always stops the robot and cannot be {action!r}; give another")
            if key in taken:
                raise OperatorError(f"the key {key!r} is given to both {taken[key]!r} and {action!r}; change one")
            taken[key] = action

    def action(self, key: str) -> str | None:
        """What a key does, if anything; one of another alphabet does what a US keyboard has in its place."""
        if key == STOP:
            return Event.ESTOP
        given = next((action for action, its in self.keys.items() if its == key), None)
        return given or next((action for action, its in self.keys.items() if its == key.translate(PLACES)), None)

    def remapped(self, changes: Iterable[str]) -> "KeyMap":
        """The same with changes such as `stop=p`. Raises OperatorError."""
        keys = dict(self.keys)
        for change in changes:
            action, separator, key = change.partition("=")
            if not (separator and key) or action not in ACTIONS:
                raise OperatorError(f"{change!r} is not ACTION=KEY; actions are {', '.join(ACTIONS)}")
            keys[action] = key
        return KeyMap(keys)

    def table(self) -> list[tuple[str, str]]:
        """Rows for the screen: key, action."""
        return [(self.keys[action], action.replace("_", " ")) for action in ACTIONS] + [(STOP, "estop")]
