"""A terminal that hands over single keys: set up, decoded, and given back as it was, however we end."""

import codecs
import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import termios
import tty
from dataclasses import dataclass, field
from typing import Literal, Self

from leash_robot.robot.errors import OperatorError

STDIN = 0

PUSH, QUERY, POP = b"\x1b[>31u", b"\x1b[?u", b"\x1b[<u"
"""The kitty keyboard protocol: report presses, repeats and releases of every key, with what a US keyboard has in its
place and the text that it types; ask whether; as before.

Terminals without it ignore all three. https://sw.kovidgoyal.net/kitty/keyboard-protocol/
"""

NAMES = {
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    " ": "space",
    "\t": "tab",
    "\x7f": "backspace",
    "\b": "backspace",
}
ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
CONTROL = 4
"""Bit of the control key in the protocol's modifiers."""

_TOKEN = re.compile(r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])|\x1bO(?P<short>.)|(?P<plain>[^\x1b])")
_LONGEST = 64
ESCAPE = "\x1b"

KEEPER = 'cat >/dev/null; stty -F "$1" "$2"; printf %s "$3" >"$1"'
"""Waits for our end of the pipe to close, be it by SIGKILL, and puts the terminal back."""

SILENT = frozenset({"", "dumb", "linux"})
"""Terminals (by $TERM) that might print the protocol's sequences."""


@dataclass(frozen=True, slots=True)
class Key:
    """Something that happened to a key."""

    name: str
    """A lower-case character, or enter, space, tab, backspace, escape, up, down, left, right, ctrl-<letter>."""
    kind: Literal["press", "repeat", "release"] = "press"
    """Terminals that only send characters say "press" for repeats too."""
    text: str = field(default="", compare=False)
    """What it types."""


class KeyDecoder:
    """Turns what a terminal sends into keys; keeps unfinished sequences for the next time."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self.releases = False
        """Whether the terminal said that it reports releases."""

    def feed(self, data: bytes) -> list[Key]:
        """The keys in the next bytes; none at all after a lone escape mean that it was the escape key."""
        if not data and self._rest == ESCAPE:
            self._rest = ""
            return [Key("escape")]
        text = self._rest + self._decode.decode(data)
        keys: list[Key] = []
        at = 0
        while at < len(text):
            if match := _TOKEN.match(text, at):
                keys.extend(self._keys(match))
                at = match.end()
            elif _unfinished(text[at:]):
                break
            else:
                # Note: an escape that begins nothing is the key itself, with another one typed right after it
                keys += [Key("escape")] * (text[at] == ESCAPE)
                at += 1
        self._rest = text[at:]
        return keys

    def _keys(self, match: re.Match[str]) -> list[Key]:
        if plain := match["plain"]:
            return [Key(_named(plain), text=plain if plain.isprintable() else "")]
        if short := match["short"]:
            return [Key(ARROWS[short])] if short in ARROWS else []
        parameters, final = match["parameters"], match["final"]
        if final == "u" and parameters.startswith("?"):
            self.releases = parameters != "?0"
            return []
        return _reported(parameters, final)


def _unfinished(text: str) -> bool:
    """Whether an escape may still become a key; the escape key itself, for one, begins nothing."""
    return len(text) < _LONGEST and (text == ESCAPE or text.startswith(("\x1b[", "\x1bO")))


def _named(character: str) -> str:
    if character in NAMES:
        return NAMES[character]
    return character.lower() if character.isprintable() else f"ctrl-{chr(ord(character[0]) | 0x60)}"


def _reported(parameters: str, final: str) -> list[Key]:
    """A key as the protocol reports it: `code;modifiers:kind u`, or an arrow as `1;modifiers:kind A`."""
    fields = [[int(part) if part.isdigit() else 0 for part in each.split(":")] for each in parameters.split(";")]
    modifiers, kind = [*(fields[1] if len(fields) > 1 else [1]), 1][:2]
    kinds: dict[int, Literal["press", "repeat", "release"]] = {1: "press", 2: "repeat", 3: "release"}
    if final in ARROWS:
        return [Key(ARROWS[final], kinds.get(kind, "press"))]
    code = _placed(fields[0])
    if final != "u" or not 0 < code < sys.maxunicode:
        return []
    name = _named(chr(code))
    typed = [point for point in (fields[2] if len(fields) > 2 else []) if 31 < point < sys.maxunicode]
    text = "".join(map(chr, typed)) or (chr(fields[0][0]) if 31 < fields[0][0] < sys.maxunicode else "")
    return [Key(f"ctrl-{name}" if (modifiers - 1) & CONTROL else name, kinds.get(kind, "press"), text)]


def _placed(codes: list[int]) -> int:
    """The key itself, or the one that a US keyboard has in its place where it types no Latin letter."""
    there = codes[2] if len(codes) > 2 else 0
    return there if there and codes[0] > 127 else codes[0]


class Terminal:
    """A terminal between `__enter__` and `__exit__`: no echo, no line editing, key by key."""

    def __init__(self, fd: int | None = None, *, protocol: bool = True) -> None:
        """`protocol` asks for the kitty keyboard protocol, in which Ctrl-C is a key like others.

        Raises OperatorError when the descriptor (by default standard input) is no terminal.
        """
        self._fd, self._protocol = STDIN if fd is None else fd, protocol
        if not os.isatty(self._fd):
            raise OperatorError("the keyboard needs a terminal on standard input; use ssh -t, or another --operator")
        self.lost = False
        """Whether the terminal went away."""

    def __enter__(self) -> Self:
        self._name = os.ttyname(self._fd)
        self._before = termios.tcgetattr(self._fd)
        self._speaks = self._protocol and os.environ.get("TERM", "") not in SILENT
        saved = subprocess.run(["stty", "-g"], stdin=self._fd, capture_output=True, text=True, check=True).stdout
        self._keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", self._name, saved.strip(), POP.decode() if self._speaks else ""],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._set_up()
        return self

    def __exit__(self, *exc: object) -> None:
        """Note: the keeper goes first, or the terminal would be put back twice."""
        with self._keeper:
            self._keeper.kill()
        if not self.lost:
            # Note: TCSAFLUSH would wait for a stalled terminal to take all output
            termios.tcflush(self._fd, termios.TCIFLUSH)
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
            self._say(POP)

    def read(self) -> bytes:
        """What was typed since the last time, at once."""
        data = b""
        while not self.lost and select.select([self._fd], [], [], 0)[0]:
            try:
                typed = os.read(self._fd, 1024)
            except OSError:
                typed = b""
            self.lost = not typed
            data += typed
        return data

    def _set_up(self) -> None:
        """Key by key, without Ctrl-Z, which would halt whatever loop the keys steer, and Ctrl-S, which would halt what
        it says.
        """
        tty.setcbreak(self._fd, termios.TCSANOW)
        attributes = termios.tcgetattr(self._fd)
        attributes[0] &= ~termios.IXON
        attributes[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        self._say(PUSH + QUERY)

    def _say(self, control: bytes) -> None:
        if not self._speaks:
            return
        with contextlib.suppress(OSError), open(self._name, "wb", buffering=0, opener=_no_control) as out:
            out.write(control)


def _no_control(path: str, flags: int) -> int:
    """Note: a terminal that takes nothing now goes without."""
    return os.open(path, flags & ~(os.O_CREAT | os.O_TRUNC) | os.O_NOCTTY | os.O_NONBLOCK)


def interrupt() -> None:
    """What Ctrl-C does where the terminal turns it into a key."""
    # Note: to the process, since it is the main thread that must wake, whichever thread reads the keys
    os.kill(os.getpid(), signal.SIGINT)
