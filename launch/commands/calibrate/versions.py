"""What is known of a machine and how that came about: `leash calibrate show`, `diff` and `history`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import tyro
from rich.table import Table

from leash_robot.calibration.report import differences, facts
from leash_robot.calibration.store import Store
from leash_robot.launch.commands.calibrate.session import Name
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec


@dataclass(frozen=True)
class VersionOptions:
    """Which machine's calibrations."""

    machine: Annotated[Name, tyro.conf.Positional]
    """What the machine is called: a folder of the store."""
    store: Path = Path("calibrations")
    """Folder of all calibrations."""
    json: bool = False
    """Print one JSON object on the last line."""

    def opened(self) -> Store:
        """The machine's store. Raises CalibrationError for a machine that has none, naming those that have."""
        store = Store(self.store, self.machine, load_spec())
        if not store.paths:
            known = sorted(path.name for path in self.store.glob("*") if path.is_dir())
            raise CalibrationError(f"{self.store} has no calibration of {self.machine!r}; known machines are {known}")
        return store


@dataclass(frozen=True)
class ShowVersion(VersionOptions):
    """What the newest calibration of a machine says: `leash calibrate show desk`."""

    version: int | None = None
    """Another version than the newest."""


@dataclass(frozen=True)
class DiffVersions(VersionOptions):
    """What changed between two calibrations: `leash calibrate diff desk --before 3 --after 4`."""

    before: int | None = None
    """Version; the last but one if left out."""
    after: int | None = None
    """Version; the newest if left out."""


@dataclass(frozen=True)
class ListVersions(VersionOptions):
    """Every calibration of a machine, oldest first: `leash calibrate history desk`."""


def show(args: list[str]) -> int:
    """Print one calibration."""
    config = checked(parsed(ShowVersion, "leash calibrate show", args))
    store = config.opened()
    calibration = store.history()[-1] if config.version is None else store.version(config.version)
    table = Table("what", "value")
    for name, value in facts(calibration, store.spec).items():
        table.add_row(name, _shown(value))
    console.print(table)
    if config.json:
        emit({"hash": calibration.hash, **msgspec.to_builtins(calibration)})
    return 0


def diff(args: list[str]) -> int:
    """Print what changed."""
    config = checked(parsed(DiffVersions, "leash calibrate diff", args))
    store = config.opened()
    if len(store.paths) < 2:
        raise CalibrationError(f"{config.machine} has one calibration only; there is nothing to compare it with")
    every = store.history()
    old = every[-2] if config.before is None else store.version(config.before)
    new = every[-1] if config.after is None else store.version(config.after)
    changed = differences(facts(old, store.spec), facts(new, store.spec))
    table = Table("what", f"version {old.version}", f"version {new.version}")
    for name, (was, now) in changed.items():
        table.add_row(name, _shown(was), _shown(now))
    console.print(table)
    if config.json:
        emit({"before": old.hash, "after": new.hash, "changed": changed})
    return 0


def history(args: list[str]) -> int:
    """Print a line for each version."""
    config = checked(parsed(ListVersions, "leash calibrate history", args))
    every = config.opened().history()
    table = Table("version", "date", "hash", "parent", "largest zero deg", "motors", "cameras")
    for one in every:
        largest = f"{np.degrees(np.abs(one.joint_offset).max()):.2f}"
        known = ["yes" if part else "" for part in (one.motors, one.cameras)]
        table.add_row(str(one.version), str(one.date), one.hash, one.parent, largest, *known)
    console.print(table)
    if config.json:
        rows = [{"version": c.version, "date": str(c.date), "hash": c.hash, "parent": c.parent} for c in every]
        emit({"machine": config.machine, "calibrations": rows})
    return 0


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
