"""The pages of the Python API: one for each folder of modules, filled in by mkdocstrings."""

from pathlib import Path

import leash_robot

ROOT = Path(leash_robot.__file__).parent
PACKAGES = ("robot", "policies", "teleop", "sim", "calibration")
"""What a program may import; commands and benchmarks are no library."""


def pages() -> dict[str, str]:
    """Markdown by the dotted name of the folder below `leash_robot`."""
    folders = [path for name in PACKAGES for path in _folders(ROOT / name)]
    return {".".join(folder.relative_to(ROOT).parts): _page(folder) for folder in folders}


def _folders(top: Path) -> list[Path]:
    inner = (path for path in sorted(top.iterdir()) if path.is_dir() and (path / "__init__.py").exists())
    return [top, *(folder for path in inner for folder in _folders(path))]


def modules(folder: Path) -> list[str]:
    """Dotted names of the modules in a folder."""
    package = ".".join(["leash_robot", *folder.relative_to(ROOT).parts])
    return [f"{package}.{file.stem}" for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]


def _page(folder: Path) -> str:
    package = ".".join(["leash_robot", *folder.relative_to(ROOT).parts])
    shown = [f"# {package}\n", f"::: {package}\n    options:\n      show_root_heading: false\n      members: false\n"]
    return "\n".join([*shown, *(f"::: {name}\n" for name in modules(folder))])
