"""The standard controls of a gamepad, and what is printed on them: one table for kernel and browser."""

from collections.abc import Mapping

CONTROLS: Mapping[str, str] = {
    "a": "a",
    "b": "b",
    "x": "x",
    "y": "y",
    "lb": "leftshoulder",
    "rb": "rightshoulder",
    "back": "back",
    "start": "start",
    "home": "guide",
    "left stick": "leftstick",
    "right stick": "rightstick",
}
"""Buttons by their place, each with the name that SDL's database gives it: `a` is the lowest of the four, `x` the left
and `y` the upper one, whatever is printed there. The browser's standard mapping has the same places.
"""

_PLAYSTATION = {
    "a": "Cross",
    "b": "Circle",
    "x": "Square",
    "y": "Triangle",
    "lb": "L1",
    "rb": "R1",
    "back": "Create",
    "start": "Options",
    "home": "PS",
    "left stick": "L3",
    "right stick": "R3",
}
_NINTENDO = {
    "a": "B",
    "b": "A",
    "x": "Y",
    "y": "X",
    "lb": "L",
    "rb": "R",
    "back": "minus",
    "start": "plus",
    "home": "Home",
    "left stick": "left stick pressed",
    "right stick": "right stick pressed",
}
_XBOX = {
    "a": "A",
    "b": "B",
    "x": "X",
    "y": "Y",
    "lb": "LB",
    "rb": "RB",
    "back": "Back",
    "start": "Start",
    "home": "Home",
    "left stick": "left stick pressed",
    "right stick": "right stick pressed",
}

OTHERS = "others"
PRINTED: Mapping[str, Mapping[str, str]] = {"054c": _PLAYSTATION, "057e": _NINTENDO, OTHERS: _XBOX}
"""What is printed on each button, by the USB vendor in four hexadecimal digits; most others print what Xbox pads do."""


def printed(vendor: int) -> Mapping[str, str]:
    """What a vendor prints on each button."""
    return PRINTED.get(f"{vendor:04x}", PRINTED[OTHERS])
