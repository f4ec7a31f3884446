"""Where calibrations live: one folder a machine, one file a version, nothing ever overwritten."""

import contextlib
import os
import tempfile
from datetime import date
from pathlib import Path

from msgspec.structs import replace
from serial.tools import list_ports

from leash_robot.robot.calibration import Calibration, dump_calibration, load_calibration
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.host.new_file import publish
from leash_robot.robot.spec import Spec

ROOM = 64 * 1024
"""More than a calibration and the files beside it take [bytes]."""


class Store:
    """The calibrations of one machine, as files `0001-<hash>.yaml`."""

    def __init__(self, folder: Path, machine: str, spec: Spec) -> None:
        self.folder = folder / machine
        self.machine = machine
        self.spec = spec

    @property
    def paths(self) -> list[Path]:
        """The versions, oldest first."""
        return sorted(self.folder.glob("[0-9][0-9][0-9][0-9]-????????????????.yaml"))

    def newest(self) -> Calibration | None:
        """The newest version, or None before the first. Raises CalibrationError."""
        return load_calibration(self.paths[-1], self.spec) if self.paths else None

    def history(self) -> list[Calibration]:
        """Every version, oldest first. Raises CalibrationError."""
        return [load_calibration(path, self.spec) for path in self.paths]

    def version(self, number: int) -> Calibration:
        """One version. Raises CalibrationError naming those that exist."""
        for path in self.paths:
            if path.name.startswith(f"{number:04d}-"):
                return load_calibration(path, self.spec)
        raise CalibrationError(
            f"{self.machine} has no version {number}; there are {[int(path.name[:4]) for path in self.paths]}"
        )

    def check_writable(self) -> None:
        """Raise CalibrationError where no calibration could be kept: found out before a robot moves for one."""
        try:
            place = next(one for one in (self.folder, *self.folder.parents) if one.exists() or one.is_symlink())
            with tempfile.TemporaryFile(dir=place) as probe:
                probe.write(bytes(ROOM))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise CalibrationError(f"cannot write into {self.folder}: {error.strerror}; name another --store") from None

    def save(self, calibration: Calibration) -> Path:
        """Write the next version, wholly or not at all. Raises CalibrationError when it cannot be written."""
        last = self.newest()
        number = 1 if last is None else last.version + 1
        parent = "" if last is None else last.hash
        new = replace(calibration, machine=self.machine, date=date.today(), version=number, parent=parent)
        path = self.folder / f"{number:04d}-{new.hash}.yaml"
        draft = path.with_suffix(".draft")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(dump_calibration(new), encoding="utf-8")
            load_calibration(draft, self.spec)
            publish(draft, path)
        except OSError as error:
            raise CalibrationError(f"cannot write {path}: {error.strerror}; name another --store") from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
        return path


def store_of(folder: Path, machine: str, robot: str, port: str | None, spec: Spec) -> Store:
    """The store of the machine called `machine`; unnamed, of the serial number behind the port, else of its kind."""
    return Store(folder, machine or (serial_number(port) if port else "") or robot, spec)


def choose(path: Path, spec: Spec, serial: str = "") -> Calibration:
    """The calibration that a user names: a file, or a machine's folder for its newest.

    Raises CalibrationError, naming both hashes, for a file that a newer one beside it replaces, and for one that
    belongs to a machine with another serial number.
    """
    if path.is_dir():
        newest = Store(path.parent, path.name, spec).newest()
        if newest is None:
            raise CalibrationError(f"there is no calibration in {path}; make one with `leash calibrate all`")
        calibration = newest
    else:
        calibration = load_calibration(path, spec)
        _refuse_stale(calibration, path, spec)
    refuse_foreign(calibration, serial, path if path.is_dir() else path.parent, spec)
    return calibration


def _refuse_stale(calibration: Calibration, path: Path, spec: Spec) -> None:
    if calibration.version == 1 and not calibration.parent and not path.name.startswith("0001-"):
        return
    newest = Store(path.parent.parent, path.parent.name, spec).newest()
    if newest is not None and newest.version > calibration.version:
        raise CalibrationError(
            f"{path.name} is stale: version {calibration.version} ({calibration.hash}) of {calibration.machine} was "
            f"replaced by version {newest.version} ({newest.hash}); use --calibration {path.parent}"
        )


def refuse_foreign(calibration: Calibration, serial: str, folder: Path, spec: Spec) -> None:
    """Raise CalibrationError when a calibration belongs to a machine with another serial number than this one's."""
    if not (serial and calibration.serial) or serial == calibration.serial:
        return
    own = (other for other in _machines(folder.parent, spec) if other.serial == serial)
    right = next((f"{other.machine} ({other.hash})" for other in own), "none yet: `leash calibrate all` makes one")
    raise CalibrationError(
        f"the calibration of {calibration.machine} ({calibration.hash}) belongs to the machine {calibration.serial}, "
        f"but this is {serial}, whose own is {right}"
    )


def _machines(folder: Path, spec: Spec) -> list[Calibration]:
    stores = (Store(folder, path.name, spec) for path in sorted(folder.iterdir()) if path.is_dir())
    return [newest for store in stores if (newest := store.newest()) is not None]


def serial_number(port: str) -> str:
    """What the USB device behind a port calls itself; empty where there is none."""
    real = str(Path(port).resolve())
    return next((found.serial_number or "" for found in list_ports.comports() if found.device == real), "")
