"""Settings files: YAML 1.2, one line for each fault that names file, line, field, value and remedy."""

import datetime
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from leash_robot.robot.config.settings import at, read_yaml
from leash_robot.robot.config.yaml_text import dump_yaml, parse_yaml
from leash_robot.robot.errors import SpecError

Share = Annotated[float, Meta(ge=0, le=1)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    share: Share = 0.5
    count: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.share == 0.25:
            raise ValueError("share: 0.25 is unlucky; take another")


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    rate: float = 1.0
    kind: Literal["cold", "homed"] = "cold"
    sign: Literal[-1, 1] = 1
    wet: bool = False
    day: datetime.date = datetime.date(2026, 1, 1)
    note: Annotated[str, Meta(max_length=4)] = ""
    pair: tuple[float, float] = (0.0, 0.0)
    many: Annotated[tuple[Part, ...], Meta(max_length=2)] = ()
    listed: list[Literal["a"]] = []
    union: tuple[int, tuple[int, Literal[-1, 1]]] | None = None
    part: Part = Part()
    parts: dict[str, Part] = {}
    found: dict[str, float] = {}


def written(folder: Path, text: str) -> Path:
    path = folder / "sheet.yaml"
    path.write_bytes(text.encode("utf-8"))
    return path


def read(folder: Path, text: str) -> Sheet:
    return read_yaml(written(folder, text), Sheet, nan_in=("found",))


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(folder, text)
    line = str(caught.value)
    assert "\n" not in line and "$" not in line
    return line.replace(f"{folder}/", "")


def unread(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_yaml(path, Sheet)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3e-4", 3e-4),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("+12e03", 12000.0),
        ("014", 14.0),
        ("0o14", 12.0),
        ("0x1F", 31.0),
        ("-7", -7.0),
        ("!!float 2", 2.0),
    ],
)
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, number: float) -> None:
    assert read(tmp_path, f"name: a\nrate: {text}\n").rate == number


@pytest.mark.parametrize("text", ["on", "off", "yes", "No", "y", "2026-03-01", "1:30", "1_000", "0b1", "="])
def test_what_was_something_else_to_yaml_1_1_is_text(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"name: {text}\n").name == text
    assert f"sheet.yaml:2: rate: {text} is text; give a number" in refused(
        tmp_path, f"name: a\nrate: {text}\n"
    ).replace("1e3 is", "'1e3' is")


@pytest.mark.parametrize(("text", "truth"), [("true", True), ("False", False), ("TRUE", True)])
def test_booleans_are_true_and_false(tmp_path: Path, text: str, truth: bool) -> None:
    assert read(tmp_path, f"name: a\nwet: {text}\n").wet is truth


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\nrate: 1\nname: b\n", "sheet.yaml:3: 'name' is there twice, first in line 1; leave one out"),
        ("name: a\npart:\n  share: 0\n  'share': 1\n", "sheet.yaml:4: 'share' is there twice, first in line 3"),
        ("name: a\npart: {share: 0, share: 1}\n", "sheet.yaml:2: 'share' is there twice"),
        ("name: a\nmany: [{share: 1}, {share: 0, share: 1}]\n", "sheet.yaml:2: 'share'"),
        ("name: a\n1: b\n", "sheet.yaml:2: the key '1' is no text; put it in quotes"),
        ("name: a\n~: b\n", "sheet.yaml:2: the key '~' is no text"),
        ("name: a\n? [b]\n: c\n", "sheet.yaml:2: the key a list or mapping is no text"),
        ("name: a\n---\nname: b\n", "sheet.yaml:2: a second document begins here"),
        ("name: a\npart:\n\tshare: 1\n", "sheet.yaml:3: a tab; indent with spaces"),
        ("name: a\npart: {\n", "sheet.yaml:3: no YAML: "),
        ("name: [a\n\nrate: 1\n", "sheet.yaml:3: no YAML: "),
        ("name: 'a\n", "sheet.yaml:2: no YAML: "),
        ("name: a\nrate: \x01\n", "sheet.yaml:2: the character #x01 may not stand in YAML"),
        ("name: *b\n", "sheet.yaml:1: no YAML: found undefined alias"),
        ("name: !!python/object:os.system x\n", "sheet.yaml:1: 'x' tagged !!python/object:os.system means nothing"),
        ("name: a\npart: !!set {share}\n", "sheet.yaml:2: the tag !!set means nothing here; leave it out"),
        ("name: a\nrate: !!float x\n", "sheet.yaml:2: 'x' tagged !!float means nothing here"),
        ("name: a\nday: !!timestamp 2026-01-01\n", "sheet.yaml:2: '2026-01-01' tagged !!timestamp"),
        ("name: a\nrate: 1e999\n", "sheet.yaml:2: rate: 1e999 is text; give a number"),
        (f"name: a\nrate: {'9' * 500}\n", "sheet.yaml:2: a number of 500 characters"),
        (f"name: a\nrate: {'9' * 400}\n", "999... is too large; give a smaller one"),
        ("[" * 60 + "]" * 60, "sheet.yaml:1: nested more than 50 deep"),
        ("[" * 20_000, "sheet.yaml:1: nested more than 50 deep"),
        (
            "name: a\npart: &b {share: 1, <<: *b}\n",
            "sheet.yaml:2: merges more than 50 deep, or an anchor that contains",
        ),
        ("name: a\nmany: &b [*b]\n", "sheet.yaml:2: nested more than 50 deep, or an anchor that contains itself"),
        ("name: a\npart: {<<: 3}\n", "sheet.yaml:2: `<<` merges mappings only"),
        ("name: a\npart: {<<: {}, <<: {}}\n", "sheet.yaml:2: '<<' is there twice"),
        ("", "sheet.yaml:1: the file is empty; "),
        ("# only words\n", "sheet.yaml:1: the file is empty; "),
        ("- name\n", "sheet.yaml:1: settings are a mapping"),
        ("name", "sheet.yaml:1: settings are a mapping"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_by_line(tmp_path: Path, text: str, line: str) -> None:
    assert line in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\nratte: 1\n", "sheet.yaml:2: unknown field `ratte`; did you mean `rate`?"),
        ("name: a\npart:\n  share: 1\n  zzz: 1\n", "sheet.yaml:4: part: unknown field `zzz`; known are share, count"),
        ("rate: 1\n", "sheet.yaml:1: the field `name` is missing; add it"),
        ("name: a\nkind: coldd\n", "sheet.yaml:2: kind: coldd is not among the choices; did you mean `cold`?"),
        ("name: a\nsign: 0\n", "sheet.yaml:2: sign: 0 is not among the choices; known are -1, 1"),
        ("name: a\nunion: [3, [-1, 5]]\n", "sheet.yaml:2: union[1][1]: 5 is not among the choices; known are -1, 1"),
        ("name: a\nlisted: [a, b]\n", "sheet.yaml:2: listed[1]: b is not among the choices; known are a"),
        ("name: a\nwet: on\n", "sheet.yaml:2: wet: on is text; give true or false"),
        ("name: a\nwet: 'on'\n", "sheet.yaml:2: wet: 'on' is text; give true or false"),
        ("name: true\n", "sheet.yaml:1: name: true is true or false; give text"),
        ("name: 7\n", "sheet.yaml:1: name: 7 is a whole number; give text"),
        ("name: 7.5\n", "sheet.yaml:1: name: 7.5 is a number; give text"),
        ("name:\n", "sheet.yaml:1: name: no value; give text"),
        ("name: a\nday: soon\n", "sheet.yaml:2: day: soon is no date; give a date, as 2026-03-31"),
        ("name: a\nnote: abcde\n", "sheet.yaml:2: note: 5 characters; give <= 4"),
        ("name: a\npair: [1]\n", "sheet.yaml:2: pair: 1 entries; give 2"),
        ("name: a\npair: [1, two]\n", "sheet.yaml:2: pair[1]: two is text; give a number"),
        ("name: a\nmany: [{}, {}, {}]\n", "sheet.yaml:2: many: 3 entries; give <= 2"),
        ("name: a\nmany:\n- {}\n- share: 2\n", "sheet.yaml:4: many[1].share: 2 is out of bounds; give a number <= 1.0"),
        ("name: a\nmany: [{shar: 2}]\n", "sheet.yaml:2: many[0]: unknown field `shar`; did you mean `share`?"),
        ("name: a\npart: {count: 0}\n", "sheet.yaml:2: part.count: 0 is out of bounds; give a whole number >= 1"),
        ("name: a\npart: {count: x}\n", "sheet.yaml:2: part.count: x is text; give a whole number or nothing"),
        ("name: a\npart: {share: 0.25}\n", "sheet.yaml:2: part: share: 0.25 is unlucky; take another"),
        ("name: a\nparts:\n  b: {}\n  c: {share: 2}\n", "sheet.yaml:4: parts.c.share: 2 is out of bounds"),
        ("name: a\nparts:\n  b: {}\n  c: {chare: 2}\n", "sheet.yaml:4: parts.c: unknown field `chare`"),
        ("name: a\npair: {b: 1}\n", "sheet.yaml:2: pair: {'b': 1} is a mapping (`key: value`); give a list"),
        (f"name: a\nwet: '{'b' * 90}'\n", "bbb... is text; give true or false"),
        ("name: a\nrate: .nan\n", "sheet.yaml:2: rate: .nan is no finite number; give one"),
        ("name: a\npair: [1, -.inf]\n", "sheet.yaml:2: pair[1]: -.inf is no finite number"),
        ("name: a\nfound: {b: .inf}\n", "sheet.yaml:2: found.b: .inf is no finite number"),
    ],
)
def test_what_the_settings_do_not_have_is_refused_by_line_field_and_value(tmp_path: Path, text: str, line: str) -> None:
    assert line in refused(tmp_path, text)


def test_nan_stands_where_not_measured_has_a_meaning(tmp_path: Path) -> None:
    assert math.isnan(read(tmp_path, "name: a\nfound: {b: .nan}\n").found["b"])


def test_anchors_and_merges_work_and_the_own_keys_win(tmp_path: Path) -> None:
    text = "name: a\nmany: [&one {share: 0.1, count: 2}, {<<: [{share: 0.9}, *one], count: 3}]\npart: {<<: *one}\n"
    sheet = read(tmp_path, text)
    assert sheet.many == (Part(0.1, 2), Part(0.9, 3)) and sheet.part == Part(0.1, 2)
    assert parse_yaml("a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n").value["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize("link", ["[*{0},*{0},*{0},*{0},*{0},*{0}]", "{{<<: [*{0},*{0},*{0},*{0},*{0}]}}"])
def test_anchors_that_grow_without_bound_are_refused_at_once(tmp_path: Path, link: str) -> None:
    first = "[1]" if link.startswith("[") else "{x: 1}"
    lines = [f"a0: &a0 {first}", *(f"a{n}: &a{n} " + link.format(f"a{n - 1}") for n in range(1, 12))]
    assert "write fewer" in refused(tmp_path, "\n".join(lines))


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffname: a\r\nrate: 2\r\n") == Sheet("a", 2.0)


def test_what_cannot_be_read_says_what_it_is(tmp_path: Path) -> None:
    assert "Is a directory; give a YAML file" in unread(tmp_path)
    path = tmp_path / "sheet.yaml"
    path.write_bytes("name: a".encode("utf-16"))
    assert "byte 0 is no UTF-8 text" in unread(path)
    path.write_bytes(b"# " + b"x" * (1 << 20))
    assert "characters long" in unread(path)
    path.write_bytes(b"# " + b"x" * (5 << 20))
    assert "too long for settings" in unread(path)


def test_settings_may_be_completed_before_they_are_checked(tmp_path: Path) -> None:
    path = written(tmp_path, "rate: 2\n")
    assert read_yaml(path, Sheet, lambda given: {"name": "b"} | given) == Sheet("b", 2.0)


@pytest.mark.parametrize("name", ["1e5", "12e03", "0o17", "1234567e8901234"])
def test_a_text_that_yaml_1_1_left_bare_is_still_read_as_text(tmp_path: Path, name: str) -> None:
    before = yaml.safe_dump({"name": name, "found": {name: 1.0}})
    assert f"name: {name}\n" in before
    sheet = read(tmp_path, before)
    assert (sheet.name, sheet.found) == (name, {name: 1.0})
    assert f"name: '{name}'" in dump_yaml({"name": name})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.from_regex(r"[-+]?[0-9.eE:_oxn~]{1,8}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(value=st.dictionaries(st.text(max_size=6), PLAIN, max_size=4))
def test_what_is_written_is_read_back_the_same(value: dict[str, Any]) -> None:
    assert parse_yaml(dump_yaml(value)).value == value
    assert parse_yaml(dump_yaml(value, flow=None)).value == value


@given(text=st.text(alphabet="ab01:-[]{}&*<>!'\"#|\n\t ,?%@~.e", max_size=40))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        read_yaml(path, Sheet)
    except SpecError as error:
        assert "\n" not in str(error)


def test_nothing_is_found_where_nothing_is() -> None:
    assert at({"a": 1}, ("a", "b")) is None
