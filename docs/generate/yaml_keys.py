"""Every key of every YAML file that leash reads, from the structs that the files are read into."""

import ast
import importlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from docstrings import cell, field_docs, summary

import leash_robot

ROOT = Path(leash_robot.__file__).parent
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def page() -> str:
    """The page in Markdown."""
    parts = [
        "# YAML files\n",
        "Every file is YAML 1.2. Unknown and doubled keys, values of another type and values out of bounds are refused "
        "with file, line and key. A key without a default must be given.\n",
    ]
    kinds = sorted(roots(), key=lambda kind: (kind.__name__, kind.__module__))
    names = [kind.__name__ for kind in kinds]
    for kind, name in zip(kinds, names, strict=True):
        part = kind.__module__.split(".")[-2]
        parts += [f"## {name} ({part})\n" if names.count(name) > 1 else f"## {name}\n", _file(kind)]
    return "\n".join(parts)


def _file(kind: type) -> str:
    tables = [table(nested, f"### {path}\n" if path else "") for path, nested in _nested(kind, "", set())]
    return "\n".join(tables)


def roots() -> set[type]:
    """The structs that the code reads YAML files into: the second argument of each call of `read_yaml`."""
    found: set[type] = set()
    for file in sorted(path for folder in ROOT.iterdir() if folder.is_dir() for path in folder.resolve().rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_yaml" and len(node.args) > 1:
                module = importlib.import_module(module_name(file))
                found.add(getattr(module, ast.unparse(node.args[1])))
    return found


def module_name(file: Path) -> str:
    """The dotted name of one of our files."""
    parts = file.relative_to(ROOT.resolve().parents[1]).with_suffix("").parts
    return ".".join(["leash_robot", *(part for part in parts if part != "__init__")])


def _nested(kind: type, path: str, seen: set[type]) -> Iterator[tuple[str, type]]:
    """The struct itself, and every struct within it with the key under which it stands; each struct once."""
    if kind in seen:
        return
    seen.add(kind)
    yield path, kind
    for name, annotation in get_type_hints(kind, include_extras=True).items():
        if name in kind.__struct_fields__:  # type: ignore[attr-defined]
            for inner in _structs(annotation):
                yield from _nested(inner, f"{path}.{name}" if path else name, seen)


def _structs(annotation: Any) -> Iterator[type]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _structs(argument)


def table(kind: type, heading: str = "") -> str:
    """The keys of one struct as a Markdown table, below its own docstring."""
    hints, texts = get_type_hints(kind, include_extras=True), field_docs(kind)
    rows = [
        f"| `{field.encode_name}` | {cell(shown_type(hints[field.name]))} | {cell(_default(field))} "
        f"| {cell(texts.get(field.name, ''))} |"
        for field in msgspec.structs.fields(kind)
    ]
    return "\n".join([heading, summary(kind), "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return ""
    if isinstance(value, msgspec.Struct):
        return "see below"
    return "none" if value is None else f"`{msgspec.json.encode(value, enc_hook=str).decode()}`"


def shown_type(annotation: Any) -> str:  # noqa: ANN401
    """A type in the words of those who write YAML, with its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = " ".join(filter(None, (_bounds(meta) for meta in arguments[1:] if isinstance(meta, msgspec.Meta))))
        return f"{shown_type(arguments[0])} {bounds}".strip()
    if origin is Literal:
        return " or ".join(f"`{value!r}`".replace("'", '"') for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(shown_type(argument) for argument in arguments)
    if origin is tuple:
        inner = arguments[:1] if arguments[-1:] == (Ellipsis,) else arguments
        return f"list of {', '.join(dict.fromkeys(shown_type(argument) for argument in inner))}"
    if origin is dict:
        return f"mapping of name to {shown_type(arguments[1])}"
    names = {float: "number", int: "whole number", str: "text", bool: "true or false", type(None): "none"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _bounds(meta: msgspec.Meta) -> str:
    return ", ".join(
        f"{sign} {getattr(meta, name):g}" for name, sign in BOUNDS.items() if getattr(meta, name) is not None
    )
