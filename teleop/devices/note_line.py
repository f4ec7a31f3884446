"""A note that is typed at a terminal, key by key, while the same keys drive otherwise."""

from leash_robot.teleop.devices.terminal import Key

CURSOR = "▏"
LONGEST = 500
"""Characters of a note."""

HOW = "Enter keeps it, empty it is dropped; _ writes a space, for Space stops the robot"


class NoteLine:
    """What was typed so far; `begin` starts it, and `take` says when it is done."""

    def __init__(self) -> None:
        self._text: str | None = None

    @property
    def typing(self) -> bool:
        """Whether keys are text now."""
        return self._text is not None

    @property
    def shown(self) -> str:
        """The line for the screen; empty while nothing is typed."""
        return "" if self._text is None else f"note: {self._text}{CURSOR} ({HOW})"

    def begin(self) -> None:
        """Take the next keys as text."""
        self._text = ""

    def take(self, key: Key) -> str | None:
        """Note a key; the text once Enter ended it."""
        if self._text is None or key.kind == "release":
            return None
        if key.name == "enter":
            done, self._text = self._text.strip(), None
            return done
        if key.name == "backspace":
            self._text = self._text[:-1]
        elif key.text.isprintable():
            self._text = (self._text + key.text.replace("_", " "))[:LONGEST]
        return None
