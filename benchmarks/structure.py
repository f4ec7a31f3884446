"""The shape of the source tree: `python benchmarks/structure.py --json`.

largest_folder: modules in the fullest folder, tests included. launch_share: lines of launch/ among those of all source
folders. classes_twice: public class names that stand in more than one file. files, median_lines, mean_function: of the
source, `__init__.py` left out.
"""

import argparse
import ast
import json
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ("robot", "sim", "policies", "teleop", "calibration", "launch", "benchmarks")


def modules(*folders: str) -> list[Path]:
    """All modules below some of the repository's folders."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if path.name != "__init__.py"]


def public_classes(files: list[Path]) -> Iterator[tuple[str, Path]]:
    """Names of classes at the top of a module, without a leading underscore."""
    for path in files:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, path


def classes_twice(files: list[Path]) -> dict[str, list[str]]:
    """Public class names that stand in more than one file, and where."""
    places: dict[str, list[str]] = {}
    for name, path in public_classes(files):
        places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def function_lengths(files: list[Path]) -> Iterator[int]:
    """Lines of every function, decorators left out."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                yield node.end_lineno - node.lineno + 1


def figures() -> dict[str, float | int]:
    """What is printed."""
    files = modules(*SOURCE)
    lines = {path: len(path.read_text().splitlines()) for path in files}
    launch = sum(count for path, count in lines.items() if path.relative_to(ROOT).parts[0] == "launch")
    folders = Counter(path.parent for path in [*files, *modules("tests")])
    return {
        "largest_folder": max(folders.values()),
        "launch_share": round(launch / sum(lines.values()), 3),
        "classes_twice": len(classes_twice(files)),
        "files": len(files),
        "lines": sum(lines.values()),
        "median_lines": statistics.median(lines.values()),
        "mean_function": round(statistics.mean(function_lengths(files)), 2),
        "test_share": round(
            sum(len(path.read_text().splitlines()) for path in modules("tests")) / sum(lines.values()), 2
        ),
    }


def main() -> None:
    """Print the figures, or which classes stand twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--twice", action="store_true", help="list the class names that stand in more than one file")
    options = parser.parse_args()
    if options.twice:
        for name, where in classes_twice(modules(*SOURCE)).items():
            print(f"{name}: {', '.join(where)}")
    found = figures()
    print(json.dumps(found) if options.json else "\n".join(f"{name:15} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
