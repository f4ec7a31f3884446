"""Whatever goes wrong in a procedure, the last good calibration stays what it was."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from leash_robot.calibration.joints.procedure import calibrate_imu
from leash_robot.calibration.motors.fit import fit_motors
from leash_robot.calibration.session import CalibrationSession, Found, Procedure
from leash_robot.calibration.store import Store
from leash_robot.launch.commands.calibrate import session as calibrate_session
from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate, procedure_of
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import CalibrationError, LeashError, UsageError
from leash_robot.robot.spec import load_spec
from support.motor_runs import run

SPEC = load_spec()
BARE = Calibration.identity(SPEC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    kept = Store(tmp_path, "desk", SPEC)
    kept.save(BARE)
    return kept


def options(store: Store) -> MachineOptions:
    return MachineOptions("pupper", "/dev/null", "desk", store.folder.parent, yes=True)


def content(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def still(session: CalibrationSession) -> Found:
    caught = run(2, ticks=20)
    caught.pos[:] = caught.pos[0]
    fit_motors([caught], SPEC.names)
    return BARE, {}


def blocked(session: CalibrationSession) -> Found:
    raise CalibrationError("the leg is blocked")


@pytest.mark.parametrize(("procedure", "why"), [(still, "a log without excitation"), (blocked, "blocked")])
def test_a_procedure_that_fails_writes_nothing(
    store: Store, procedure: Callable[[CalibrationSession], Found], why: str
) -> None:
    before = content(store)
    with pytest.raises(LeashError, match=why):
        calibrate(options(store), Procedure("", procedure))
    assert content(store) == before


def test_a_procedure_that_goes_well_adds_a_version(store: Store) -> None:
    before = content(store)
    calibrate(options(store), Procedure("", lambda session: (replace(session.given, gyro_bias=(0.1, 0.0, 0.0)), {})))
    assert content(store).items() > before.items()
    assert len(store.paths) == 2


def test_the_calibration_of_another_machine_is_not_gone_on_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(replace(BARE, serial="222"))
    before = content(store)
    monkeypatch.setattr(calibrate_session, "serial_number", lambda port: "111")
    with pytest.raises(CalibrationError, match="belongs to the machine 222, but this is 111"):
        calibrate(options(store), Procedure("", blocked))
    assert content(store) == before


def test_a_store_that_cannot_be_written_is_refused_before_anything_moves(store: Store, tmp_path: Path) -> None:
    moved: list[CalibrationSession] = []

    def moves(session: CalibrationSession) -> Found:
        moved.append(session)
        return BARE, {}

    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="name another --store"):
        calibrate(MachineOptions("pupper", "/dev/null", "desk", tmp_path / "file", yes=True), Procedure("", moves))
    assert moved == []


def test_nobody_there_to_say_that_the_robot_is_ready_moves_nothing(store: Store) -> None:
    asked = MachineOptions("pupper", "/dev/null", "desk", store.folder.parent)
    with pytest.raises(UsageError, match="give --yes"):
        calibrate(asked, Procedure("", blocked))


def test_a_seed_of_0_means_nothing_to_the_machine_either(store: Store) -> None:
    asked = dataclasses.replace(options(store), seed=0)
    with pytest.raises(UsageError, match="--dynamics and --seed mean nothing"):
        calibrate(asked, Procedure("", blocked))


def test_a_body_has_the_procedures_that_its_entry_names(store: Store) -> None:
    assert procedure_of(options(store), "imu").run is calibrate_imu
    with pytest.raises(CalibrationError, match=r"pupper has no calibration of 'gripper'; it has \['all', 'imu'"):
        procedure_of(options(store), "gripper")


def test_the_training_simulator_has_no_serial_line_to_calibrate_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use --robot twin"):
        calibrate(MachineOptions("sim", store=tmp_path), Procedure("", blocked))
