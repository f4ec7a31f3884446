"""YAML 1.2 core schema, the part that settings need: one document of mappings, lists, texts, numbers, booleans, null.

Doubled keys, keys that are no text, unknown tags and anchors that grow without bound are refused with their line.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST = 1 << 20
"""Characters of the longest text that is read."""
MOST = 50_000
"""Most values in one file once every anchor is written out."""
DEEPEST = 50
"""Most levels of lists and mappings within one another."""

TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"
PATTERNS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": r"<<",
}
"""What a plain scalar means, in this order (YAML 1.2.2, section 10.3.2; merge keys as in 1.1)."""
TEXT_BEFORE = re.compile(r"0o[0-7]+|[-+]?(\d+|(\d+\.\d*|\.\d+)(?=[eE]\d))[eE].*")
"""Numbers that were texts to YAML 1.1, which this project wrote once: `1e5`, `0o17`."""


Place = tuple[str | int, ...]
"""Where a value stands: keys, and numbers of list entries."""


class YamlFault(ValueError):
    """What is wrong with a text, and in which line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Knows what plain scalars mean to YAML 1.2, and nothing else."""


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for something else than text."""


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern in PATTERNS.items():
    _Loader.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_pattern})\\Z"), None)
    if _name in {"int", "float"}:
        _Dumper.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_pattern})\\Z"), None)


@dataclass
class Parsed:
    """What a text says, and where."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    """Line of each value."""
    texts: dict[Place, str] = field(default_factory=dict)
    """Each plain scalar as it was written."""


def parse_yaml(text: str) -> Parsed:
    """Read one document. Raises YamlFault."""
    if len(text) > LARGEST:
        raise YamlFault(1, f"{len(text)} characters long; settings have at most {LARGEST}")
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise _fault(error, text) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlFault(line, f"the character #x{int(error.character):02x} may not stand in YAML") from None
    except RecursionError:
        raise YamlFault(1, f"nested more than {DEEPEST} deep") from None
    if root is None:
        raise YamlFault(1, "the file is empty; settings are lines of `key: value`")
    parsed = Parsed()
    parsed.value = _Reading(parsed).value(root, (), 0)
    return parsed


def dump_yaml(value: object, *, width: int = 80, flow: bool | None = False) -> str:
    """Plain data as YAML that `parse_yaml` reads back, in the same order; `flow=None` keeps short lists in a line."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=width, default_flow_style=flow)
    return text


def _fault(error: yaml.MarkedYAMLError, text: str) -> YamlFault:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = " ".join(str(error.problem).split())
    if "expected a single document" in str(error.context):
        return YamlFault(line, "a second document begins here; give one document, without `---`")
    if "'\\t'" in problem and mark and "\t" in text.splitlines()[mark.line][: mark.column + 1]:
        return YamlFault(line, "a tab; indent with spaces")
    return YamlFault(line, f"no YAML: {problem}")


class _Reading:
    """Builds values from nodes, and notes where each stands."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._count = 0

    def value(self, node: Node, place: Place, depth: int) -> object:
        """The value of a node."""
        self._count += 1
        if self._count > MOST:
            raise YamlFault(_line(node), f"more than {MOST} values once every anchor is written out; write fewer")
        if depth > DEEPEST:
            raise YamlFault(_line(node), f"nested more than {DEEPEST} deep, or an anchor that contains itself")
        self._parsed.lines[place] = _line(node)
        if isinstance(node, MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, place, depth)
        if isinstance(node, SequenceNode) and node.tag == TAG + "seq":
            return [self.value(each, (*place, number), depth + 1) for number, each in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            if node.style is None:
                self._parsed.texts[place] = node.value
            return _scalar(node)
        raise YamlFault(_line(node), f"the tag {_tag(node)} means nothing here; leave it out")

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> dict[str, Any]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, each in node.value:
            name = "<<" if key.tag == MERGE else _key(key)
            if name in own:
                raise YamlFault(_line(key), f"{name!r} is there twice, first in line {_line(own[name])}; leave one out")
            own[name] = each
        if any(key.tag == MERGE for key, _ in node.value):
            merged = dict(self._merged(own.pop("<<"), depth))
        return {name: self.value(each, (*place, name), depth + 1) for name, each in (merged | own).items()}

    def _merged(self, node: Node, depth: int) -> Iterator[tuple[str, Node]]:
        """Keys that a merge brings in, the most binding last."""
        self._count += 1
        if self._count > MOST:
            raise YamlFault(_line(node), f"more than {MOST} values once every anchor is written out; write fewer")
        if depth > DEEPEST:
            raise YamlFault(_line(node), f"merges more than {DEEPEST} deep, or an anchor that contains itself")
        if isinstance(node, SequenceNode):
            for each in reversed(node.value):
                yield from self._merged(each, depth + 1)
        elif isinstance(node, MappingNode):
            for key, each in node.value:
                if key.tag == MERGE:
                    yield from self._merged(each, depth + 1)
            yield from ((_key(key), each) for key, each in node.value if key.tag != MERGE)
        else:
            raise YamlFault(_line(node), "`<<` merges mappings only")


def _key(node: Node) -> str:
    if isinstance(node, ScalarNode) and (node.tag == TAG + "str" or TEXT_BEFORE.fullmatch(node.value)):
        return str(node.value)
    written = repr(node.value) if isinstance(node, ScalarNode) else "a list or mapping"
    raise YamlFault(_line(node), f"the key {written} is no text; put it in quotes")


def _scalar(node: ScalarNode) -> object:
    kind, text = node.tag.removeprefix(TAG), str(node.value)
    if kind in {"str", "merge"}:
        return text
    if kind not in PATTERNS or not re.fullmatch(PATTERNS[kind], text):
        raise YamlFault(_line(node), f"{text!r} tagged {_tag(node)} means nothing here; leave out the tag")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if len(text) > 400:
        raise YamlFault(_line(node), f"a number of {len(text)} characters; give a shorter one")
    if kind == "int":
        return int(text[2:], {"0o": 8, "0x": 16}[text[:2]]) if text[:2] in {"0o", "0x"} else int(text)
    number = float(re.sub(r"\.(?=[in])", "", text.lower()))
    return text if math.isinf(number) and "inf" not in text.lower() else number


def _tag(node: Node) -> str:
    return str(node.tag).replace(TAG, "!!")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
