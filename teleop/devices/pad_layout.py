"""Where a gamepad's standard controls are among the kernel's codes: by SDL's controller database, else by the kernel.

A line of the database counts the buttons, axes and hats of a pad in the order in which SDL numbers them on Linux.
"""

import ast
import functools
import importlib.util
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from leash_robot.teleop.devices import pad_events as codes
from leash_robot.teleop.devices.pad_names import CONTROLS

DATABASE = "pyglet"
"""The package that carries the database, as a list of strings in a file of its own. Nothing of it is run."""

POSITIONAL = frozenset({0x054C, 0x057E})
"""Vendors whose drivers name the upper and the left button by their places; others use these two codes for X and Y."""

AXES = ("leftx", "lefty", "rightx")
_SOURCE = re.compile(r"(?P<half>[+-]?)(?P<kind>[abh])(?P<index>\d+)(?:\.(?P<mask>\d+))?(?P<inverted>~?)")
_HATS: Mapping[int, tuple[int, int]] = {1: (1, -1), 2: (0, 1), 4: (1, 1), 8: (0, -1)}
"""By SDL's bit: across (0) or along (1), and which way."""


@dataclass(frozen=True, slots=True)
class Ident:
    """What a pad says about itself, as the kernel tells it (struct input_id)."""

    bus: int = 0
    vendor: int = 0
    product: int = 0
    version: int = 0

    @property
    def guid(self) -> str:
        """The key of the database: the four numbers, little endian, each padded to four bytes."""
        return struct.pack("<8H", self.bus, 0, self.vendor, 0, self.product, 0, self.version, 0).hex()


@dataclass(frozen=True, slots=True)
class ControlPlace:
    """A key, or an axis or a half of one."""

    kind: int
    code: int
    half: int = 0
    """Of an axis: 1 or -1 for the half on that side, 0 for all of it."""
    inverted: bool = False


@dataclass(frozen=True)
class PadLayout:
    """The places of a pad's controls; a control may have several, or none."""

    name: str
    """What the database calls the pad; empty where the kernel's names are all there is."""
    buttons: Mapping[str, tuple[ControlPlace, ...]]
    """By the names in `pad_names.CONTROLS`."""
    axes: Mapping[str, tuple[tuple[int, ControlPlace], ...]]
    """By the names in `AXES`: places, each with the way it pushes; 0 is both ways."""

    @functools.cached_property
    def users(self) -> Mapping[tuple[int, int], tuple[str, ...]]:
        """Which buttons depend on an event's kind and code."""
        found: dict[tuple[int, int], tuple[str, ...]] = {}
        for name, places in self.buttons.items():
            for place in places:
                found[place.kind, place.code] = (*found.get((place.kind, place.code), ()), name)
        return found


def looks_like_pad(keys: Iterable[int]) -> bool:
    """Whether a device with these keys is a gamepad or a joystick: its sensors and its touchpad have none of them."""
    return any(0x120 <= key < 0x140 or 0x2C0 <= key < 0x2E8 for key in keys)


def find_layout(ident: Ident, keys: Iterable[int], axes: Iterable[int]) -> PadLayout | None:
    """Where the controls of a pad with these keys and axes are; None when nobody knows."""
    line = known(ident)
    if line is not None:
        return parsed(line, keys, axes)
    return by_kernel(ident, axes) if codes.BTN_GAMEPAD in set(keys) else None


def known(ident: Ident) -> str | None:
    """The line of the database for a pad, or for the same pad with another version of its firmware.

    Note: drivers that number a pad's buttons in their own way say so by the highest bit of the version.
    """
    lines, guid = database(), ident.guid
    if guid in lines or not ident.vendor:
        return lines.get(guid)
    kin = (line for key, line in lines.items() if key[8:20] == guid[8:20] and _own_driver(key) == _own_driver(guid))
    return next(kin, None)


def _own_driver(guid: str) -> bool:
    return int(guid[26:28], 16) >= 0x80


@functools.cache
def database() -> Mapping[str, str]:
    """The lines for Linux by their keys; empty without the package. Of two, the one that goes by place is taken."""
    spec = importlib.util.find_spec(DATABASE)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    files = [file for folder in folders if (file := Path(folder) / "input" / "controller_db.py").is_file()]
    lines: dict[str, str] = {}
    for line in (line for file in files for line in _lines(file)):
        guid = line.split(",", 1)[0]
        if guid not in lines or "hint:!SDL_GAMECONTROLLER_USE_BUTTON_LABELS" in line:
            lines[guid] = line
    return lines


def _lines(file: Path) -> list[str]:
    """The strings under the file's condition for Linux, which stands first."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If):
            constants = (
                each.value for statement in node.body for each in ast.walk(statement) if isinstance(each, ast.Constant)
            )
            return [value for value in constants if isinstance(value, str)]
    return []


def parsed(line: str, keys: Iterable[int], axes: Iterable[int]) -> PadLayout:
    """A line of the database, for a pad with these keys and axes."""
    _, name, *fields = line.split(",")
    table = _Numbered(keys, axes)
    sources = [field.split(":", 1) for field in fields if ":" in field]
    places = [(target, place) for target, source in sources if (place := table.place(source)) is not None]
    names = {theirs: ours for ours, theirs in CONTROLS.items()}
    buttons: dict[str, tuple[ControlPlace, ...]] = {}
    pushes: dict[str, tuple[tuple[int, ControlPlace], ...]] = {}
    for target, place in places:
        plain, way = target.lstrip("+-"), {"+": 1, "-": -1}.get(target[0], 0)
        if plain in names:
            buttons[names[plain]] = (*buttons.get(names[plain], ()), place)
        elif plain in AXES:
            pushes[plain] = (*pushes.get(plain, ()), (way, place))
    return PadLayout(name, buttons, pushes)


class _Numbered:
    """A pad's codes in the order in which SDL numbers them on Linux: from the first joystick button on."""

    def __init__(self, keys: Iterable[int], axes: Iterable[int]) -> None:
        hats = range(codes.ABS_HAT0X, codes.ABS_HAT0X + 8)
        have = set(axes)
        self._keys = sorted(keys, key=lambda code: (code < codes.BTN_JOYSTICK, code))
        self._axes = sorted(code for code in have if code not in hats)
        self._hats = [code for code in hats[::2] if have & {code, code + 1}]

    def place(self, source: str) -> ControlPlace | None:
        """What a source such as b3, a2, +a4, a1~ or h0.8 is on this pad; None when it has no such thing."""
        match = _SOURCE.fullmatch(source)
        if match is None:
            return None
        numbered = {"b": self._keys, "a": self._axes, "h": self._hats}[match["kind"]]
        index = int(match["index"])
        if index >= len(numbered):
            return None
        if match["kind"] == "b":
            return ControlPlace(codes.EV_KEY, numbered[index])
        if match["kind"] == "h":
            along, way = _HATS.get(int(match["mask"] or 0), (0, 0))
            return ControlPlace(codes.EV_ABS, numbered[index] + along, way) if way else None
        half = {"+": 1, "-": -1}.get(match["half"], 0)
        return ControlPlace(codes.EV_ABS, numbered[index], half, bool(match["inverted"]))


def by_kernel(ident: Ident, axes: Iterable[int]) -> PadLayout:
    """The kernel's own names (Documentation/input/gamepad.rst). Note: not every driver keeps to them for X and Y."""
    left, upper = codes.BTN_WEST, codes.BTN_NORTH
    if ident.vendor not in POSITIONAL:
        left, upper = upper, left
    keys = {
        "a": codes.BTN_SOUTH,
        "b": codes.BTN_EAST,
        "x": left,
        "y": upper,
        "lb": codes.BTN_TL,
        "rb": codes.BTN_TR,
        "back": codes.BTN_SELECT,
        "start": codes.BTN_START,
        "home": codes.BTN_MODE,
        "left stick": codes.BTN_THUMBL,
        "right stick": codes.BTN_THUMBR,
    }
    turn = codes.ABS_RX if codes.ABS_RX in set(axes) else codes.ABS_Z
    sticks = {"leftx": codes.ABS_X, "lefty": codes.ABS_Y, "rightx": turn}
    return PadLayout(
        "",
        {name: (ControlPlace(codes.EV_KEY, code),) for name, code in keys.items()},
        {name: ((0, ControlPlace(codes.EV_ABS, code)),) for name, code in sticks.items()},
    )
