"""Settings files: YAML into typed structs. Every fault is one line: file, line of the file, field, value, remedy."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from leash_robot.robot.config.yaml_text import LARGEST, TEXT_BEFORE, Parsed, Place, YamlFault, parse_yaml
from leash_robot.robot.errors import SpecError

T = TypeVar("T")
NAMES = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping (`key: value`)",
    "null": "nothing",
    "date": "a date, as 2026-03-31",
}
"""Types in the words of those who write YAML."""
ANY_ENTRY = "..."
"""What msgspec has in a path for an entry of a mapping, whichever it is."""
WANTS_TEXT = re.compile(r"Expected `str(?: \| null)?`, got `(?:float|int)`")


def read_yaml(
    path: Path, kind: type[T], change: Callable[[dict[str, Any]], dict[str, Any]] = dict, nan_in: Collection[str] = ()
) -> T:
    """Read a YAML file into a typed struct, what it says being completed by `change`. Raises SpecError.

    Numbers must be finite, but for NaN within the top-level fields that `nan_in` names.
    """
    parsed = _parsed(path)
    if not isinstance(parsed.value, dict):
        raise SpecError(f"{path}:1: settings are {NAMES['object']} in each line; this is something else")
    for place, number in _numbers(parsed.value):
        if not math.isfinite(number) and not (math.isnan(number) and place[0] in nan_in):
            line, name = parsed.lines[place], said(place)
            raise SpecError(f"{path}:{line}: {name}: {parsed.texts[place]} is no finite number; give one")
    try:
        return _converted(parsed, kind, change(parsed.value))
    except YamlFault as fault:
        raise SpecError(f"{path}:{fault.line}: {fault}") from None


def _parsed(path: Path) -> Parsed:
    try:
        with path.open("rb") as file:
            text = file.read(4 * LARGEST + 1)
        if len(text) > 4 * LARGEST:
            raise SpecError(f"cannot read {path}: over {4 * LARGEST} bytes, too long for settings; give a YAML file")
        return parse_yaml(text.decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}; give a YAML file") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"cannot read {path}: byte {error.start} is no UTF-8 text; give a YAML file") from None
    except YamlFault as fault:
        raise SpecError(f"{path}:{fault.line}: {fault}") from None


def _numbers(value: object, place: Place = ()) -> Iterator[tuple[Place, float]]:
    if isinstance(value, float):
        yield place, value
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(each, (*place, key))


def _converted(parsed: Parsed, kind: type[T], given: dict[str, Any]) -> T:
    """Note: what was text to YAML 1.1 and is a number now (`1e5`) is taken as text where the schema wants text."""
    while True:
        try:
            return msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            what, place = split(error)
            place = _resolved(given, kind, place)
            written = parsed.texts.get(place, "")
            if not (WANTS_TEXT.match(what) and TEXT_BEFORE.fullmatch(written)):
                line = _line(parsed, place, what)
                raise YamlFault(line, explained(what, place, kind, at(given, place), written)) from None
            at(given, place[:-1])[place[-1]] = written


def split(error: msgspec.ValidationError) -> tuple[str, Place]:
    """What msgspec complains of, and where."""
    what, _, path = str(error).partition(" - at `")
    steps = re.findall(r"\.([^.\[`]+)|\[(\d+|\.\.\.)\]", path)
    return what, tuple(int(number) if number.isdigit() else name or number for name, number in steps)


def explained(what: str, place: Place, kind: type, value: object, written: str = "") -> str:  # noqa: PLR0911
    """One line about the value of a field, in the words of those who write settings."""
    head = f"{said(place)}: " if place else ""
    shown = _short(written) if written else _short(repr(value))
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        return f"{head}unknown field `{found[1]}`; {hint(found[1], _known(kind, place))}"
    if found := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{head}the field `{found[1]}` is missing; add it"
    if what.startswith("Invalid enum value"):
        return f"{head}{shown} is not among the choices; {hint(str(value), _known(kind, place))}"
    if found := re.fullmatch(r"Expected `(array|object|str)` of length ([<>=]* ?\d+)(?:, got \d+)?", what):
        unit = "characters" if found[1] == "str" else "entries"
        return f"{head}{len(value) if isinstance(value, list | dict | str) else 0} {unit}; give {found[2]}"
    if found := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        given = f"{shown} is {_words(found[2])}" if value is not None else "no value"
        return f"{head}{given}; give {_words(found[1])}"
    if found := re.fullmatch(r"Expected `(.*)` ([<>]=? .*)", what):
        return f"{head}{shown} is out of bounds; give {_words(found[1])} {found[2]}"
    if "RFC3339" in what:
        return f"{head}{shown} is no date; give {NAMES['date']}"
    if what.endswith("out of range"):
        return f"{head}{shown} is too large; give a smaller one"
    return f"{head}{what}"


def hint(given: str, known: Collection[str]) -> str:
    """What may have been meant, or what there is."""
    close = difflib.get_close_matches(given, known, 1)
    return f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}"


def at(value: Any, place: Place) -> Any:  # noqa: ANN401
    """The value at a place; None where there is none."""
    for step in place:
        value = value.get(step) if isinstance(value, dict) else value[int(step)] if isinstance(value, list) else None
    return value


def said(place: Place) -> str:
    """A place as people write it: `joints[3].lower`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def _line(parsed: Parsed, place: Place, what: str) -> int:
    """The line of the unknown field, else of the value or of what it stands in."""
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
    exact = (*place, unknown[1]) if unknown else place
    around = (exact[:length] for length in range(len(exact), -1, -1))
    return next(parsed.lines[each] for each in around if each in parsed.lines)


def _resolved(given: dict[str, Any], kind: type, place: Place) -> Place:
    """The place with the key of the first entry at fault instead of `...`, found by converting each entry alone."""
    while ANY_ENTRY in place:
        front = place[: place.index(ANY_ENTRY)]
        entries = at(given, front)
        every = dict(entries)
        key = next(key for key in every if _fails(given, kind, entries, {key: every[key]}))
        entries.clear()
        entries.update(every)
        place = (*front, key, *place[len(front) + 1 :])
    return place


def _fails(given: dict[str, Any], kind: type, entries: dict[str, Any], alone: dict[str, Any]) -> bool:
    entries.clear()
    entries.update(alone)
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        return ANY_ENTRY in split(error)[1]
    return False


def _known(kind: type, place: Place) -> list[str]:
    """Fields of the struct, or choices of the literal, at a place."""
    infos = [inspect.type_info(kind)]
    for step in place:
        infos = [inner for info in infos for inner in _inner(info, step)]
    flat = [each for info in infos for each in _alternatives(info)]
    fields = [field.encode_name for info in flat if isinstance(info, inspect.StructType) for field in info.fields]
    return fields + [str(one) for info in flat if isinstance(info, inspect.LiteralType) for one in info.values]


def _alternatives(info: inspect.Type) -> list[inspect.Type]:
    return list(info.types) if isinstance(info, inspect.UnionType) else [info]


def _inner(info: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    for each in _alternatives(info):
        if isinstance(each, inspect.StructType):
            yield from (field.type for field in each.fields if field.encode_name == step)
        elif isinstance(each, inspect.DictType):
            yield each.value_type
        elif isinstance(each, inspect.ListType | inspect.VarTupleType):
            yield each.item_type
        elif isinstance(each, inspect.TupleType):
            yield each.item_types[int(step)]


def _words(kinds: str) -> str:
    return " or ".join(NAMES.get(kind, kind) for kind in kinds.split(" | "))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
