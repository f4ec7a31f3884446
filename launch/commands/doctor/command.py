"""`leash doctor`: is everything ready to drive, and what exactly to do about what is not."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from leash_robot.calibration.store import store_of
from leash_robot.launch.commands.calibrate.session import Name
from leash_robot.launch.commands.deploy import stopped, terminable
from leash_robot.launch.commands.doctor import computer as doctor_computer
from leash_robot.launch.commands.doctor import robot as doctor_robot
from leash_robot.launch.commands.doctor import telemetry as doctor_telemetry
from leash_robot.launch.commands.doctor.finding import Finding, Findings, as_json, table
from leash_robot.launch.commands.doctor.telemetry import Heard
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.plan import Plan, load_plan
from leash_robot.launch.composition.robots import RobotOptions, camera_sources, open_robot
from leash_robot.launch.options.checked import Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyFile
from leash_robot.launch.reporting.output import console, emit, note
from leash_robot.policies.scripted.gait import Stand
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.clock import missed_slots
from leash_robot.robot.errors import CameraError, LeashError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.standing import TRIES, Agree, stand
from leash_robot.sim.firmware.firmware import Variant
from leash_robot.teleop.brake import Stoppable


@dataclass(frozen=True)
class Doctor:
    """Check everything that a robot needs; every problem comes with its fix. Nothing moves unless you say --move.

    `leash doctor` looks at this computer, `--robot pupper --port /dev/ttyACM0` at a machine too, `--robot twin` at a
    simulated one. Exits with 0 when all is well, with 1 when something is not.
    """

    robot: Literal["none", "twin", "pupper"] = "none"
    """Which robot to look at; `pupper` is meant when a --port is given."""
    port: str | None = None
    """Serial port of the robot."""
    camera: tuple[str, ...] = ("on",)
    """Cameras as NAME=SOURCE, or `on` for those in the robot's plan."""
    calibration: Path | None = None
    """Calibration of this machine, a file or a folder; the newest that `leash calibrate` kept of it if left out."""
    machine: Name = ""
    """What this machine is called in `leash calibrate`; its serial number if left out."""
    store: Path = Path("calibrations")
    """Folder of all calibrations."""
    policy: PolicyFile = None
    """A policy that is to drive it: a file, or a shipped one by its name."""
    folder: Path = Path()
    """Where recordings will go."""
    keys: Path = Path("keys")
    """Folder with the keys of a remote policy server."""
    seconds: Seconds = 10.0
    """Length of the rehearsal of the loop."""
    move: bool = False
    """Rehearse with a real robot standing up and holding its pose; without, the loop only listens."""
    firmware: Variant = "icm20948"
    """Which firmware a twin runs."""
    json: bool = False
    """Print one JSON object on the last line, with an entry for each check."""


def main(args: list[str]) -> int:
    """Run every check that applies; 1 when one failed, else 0, with or without warnings."""
    config = checked(parsed(Doctor, "leash doctor", args))
    config = replace(config, robot="pupper") if config.robot == "none" and config.port else config
    findings: list[Finding] = []
    with terminable(), console.status("looking") as status:
        for finding in examine(config):
            findings.append(finding)
            status.update(f"{finding.name}: {finding.level}")
    console.print(table(findings))
    failed = [finding for finding in findings if finding.level == "fail"]
    console.print(f"{len(failed)} to be fixed" if failed else "ready", style="bold red" if failed else "bold green")
    if config.json:
        emit(as_json(findings))
    return 1 if failed else 0


def examine(config: Doctor) -> Findings:
    """Every finding, as it is made."""
    yield from doctor_computer.versions()
    yield from doctor_computer.privileges()
    yield from doctor_computer.clock()
    yield from doctor_computer.disk(config.folder)
    yield from doctor_computer.keys(config.keys)
    with _robot(config) as (port, cameras):
        yield from _examine_robot(config, port, cameras)


@contextlib.contextmanager
def _robot(config: Doctor) -> Iterator[tuple[str | None, dict[str, str]]]:
    """Port and cameras of the robot that is meant; a twin runs as long as the block."""
    if config.robot != "twin":
        yield config.port, dict(load_plan("pupper").cameras) if config.robot == "pupper" else {}
        return
    from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

    with TwinProcess(TwinConfig(firmware=config.firmware, camera=bool(config.camera))) as twin:
        yield twin.port, twin.cameras


def _examine_robot(config: Doctor, port: str | None, attached: dict[str, str]) -> Findings:
    plan = load_plan("twin" if config.robot == "twin" else "pupper")
    spec = load_spec(plan.spec)
    config = replace(config, calibration=config.calibration or _kept(config, port, spec))
    known, finding = doctor_robot.calibration(config.calibration, spec, port, real=config.robot == "pupper")
    yield finding
    heard: Heard | None = None
    for finding in doctor_telemetry.ports(port, known.serial, wanted=config.robot != "none"):
        yield finding
        if port is not None and finding.level == "ok":
            heard = doctor_telemetry.listen(port, doctor_telemetry.LISTEN)
            yield from doctor_telemetry.telemetry(heard)
            yield from doctor_telemetry.homing(heard, spec, known)
    if config.policy is not None:
        imu = heard.imu if heard is not None and heard.frames else None
        machine = config.calibration if known != Calibration.identity(spec) else None
        real = config.robot == "pupper"
        yield from doctor_robot.policy(config.policy, spec, known, machine, imu=imu, real=real)
    sources = camera_sources(config.camera, attached)
    for name, source in sources.items():
        if name not in spec.cameras:
            raise CameraError(f"{spec.name} has no camera {name!r}; its spec names {sorted(spec.cameras)}")
        yield from doctor_robot.camera(name, source, spec.cameras[name])
    if port is not None and heard is not None and heard.frames:
        yield from _rehearse(config, port, spec, plan)


def _kept(config: Doctor, port: str | None, spec: Spec) -> Path | None:
    """The machine's folder in the store, chosen as `leash calibrate` does; None where it has none."""
    store = store_of(config.store, config.machine, config.robot, port if config.robot == "pupper" else None, spec)
    return store.folder if store.paths else None


def _rehearse(config: Doctor, port: str, spec: Spec, plan: Plan) -> Findings:
    """Run the loop as it will run: holding the pose where that is allowed, else only listening."""
    moving = config.move or config.robot == "twin"
    how = "holding the stand pose" if moving else "listening only; --move lets it stand"
    try:
        with first_in_line(plan.processes.control.nice):
            late, stops = _hold(config, port, spec) if moving else _watch(config, port, spec)
    except (LeashError, OSError) as error:
        yield Finding("rehearsal", "fail", str(error), "see to the checks above first, then run this again")
        return
    missed = sum(missed_slots(value, spec.period) for value in late)
    p99, most = 1e3 * float(np.percentile(late, 99)), 1e3 * float(np.max(late))
    bad = missed > 0 or stops > 0
    yield Finding(
        "rehearsal",
        "fail" if bad else "ok",
        f"{len(late)} ticks {how}: {missed} missed, p99 {p99:.2f} ms late, {stops} gate stops",
        "end what else keeps this computer busy, and allow real-time priorities" if bad else "",
        {"ticks": len(late), "missed": missed, "late_p99_ms": p99, "late_max_ms": most, "gate_stops": stops},
    )


def _hold(config: Doctor, port: str, spec: Spec) -> tuple[Sequence[float], int]:
    """Lateness of each tick while the robot stands still, and how often the gate stopped it. Raises LeashError."""
    options = RobotOptions(robot="pupper", port=port, calibration=config.calibration)
    lateness = Lateness(spec.period)
    with (
        attended() as person,
        open_robot(options, watch=person.watch) as opened,
        person.brake.on(opened.stop),
    ):
        stand(opened, person.agrees if config.robot == "pupper" else _patient(), note)
        policy = Stoppable(Stand(spec), person.watch)
        run(opened.robot, policy, lateness, ticks=round(config.seconds * spec.rate), done=stopped)
        stops = opened.gate_stops()
        opened.robot.rest()
    person.brake.check()
    return lateness.late.tolist(), stops


def _patient() -> Agree:
    """What is answered for a twin, which a busy computer may keep from standing up a few times."""
    answers = iter([True] * (TRIES - 1))
    return lambda _: next(answers, False)


def _watch(config: Doctor, port: str, spec: Spec) -> tuple[Sequence[float], int]:
    """Lateness of each tick of a loop that only reads. Raises OSError."""
    heard = doctor_telemetry.listen(port, config.seconds, spec.period)
    return heard.late, 0
