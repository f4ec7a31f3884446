"""Checks of what belongs to the robot: cameras, calibration, policy, and a rehearsal of the loop."""

import time
from datetime import date
from pathlib import Path

import numpy as np

from leash_robot.calibration.store import choose, serial_number
from leash_robot.launch.commands.doctor.finding import Finding, Findings
from leash_robot.launch.composition.learned_with import mismatch, remedy
from leash_robot.policies.manifest import check_fits
from leash_robot.policies.policy_file import read_manifest
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.errors import CalibrationError, CameraError, PolicyError
from leash_robot.robot.spec import CameraSpec, Spec

WATCHED = 2.5
"""How long each camera is watched [s]."""
SLOW, AGED = 0.85, 0.1
"""Share of its rate that a camera must deliver, and age of a frame when it can be read that is noted [s]."""
OLD = 90
"""A calibration older than this is worth repeating [days]."""


def camera(name: str, source: str, spec: CameraSpec) -> Findings:
    """A camera's true rate, and how old its frames are when they can be read."""
    label = f"camera {name}"
    try:
        ages, span, note = _watch(source, spec)
    except CameraError as error:
        yield Finding(label, "fail", str(error), f"plug it in, or name another: --camera {name}=/dev/video0")
        return
    rate, age = (len(ages) - 1) / span if len(ages) > 1 else 0.0, float(np.median(ages)) if ages else float("inf")
    figures = {"rate_hz": rate, "age_p50_ms": 1e3 * age, "age_max_ms": 1e3 * max(ages, default=float("inf"))}
    seen = f"{rate:.1f} of {spec.rate:g} Hz, {1e3 * age:.0f} ms old when it can be read"
    if rate < SLOW * spec.rate:
        fix = "more light (long exposures slow a camera down), a USB port of its own, or a lower rate in the spec"
        yield Finding(label, "fail", seen, fix, figures)
    elif note:
        fix = f"let the camera deliver {spec.width}x{spec.height}, or calibrate its lens as it is now"
        yield Finding(label, "warn", f"{seen}; {note}", fix, figures)
    elif age > AGED:
        yield Finding(label, "warn", seen, "use a wired camera that sends motion JPEG", figures)
    else:
        yield Finding(label, "ok", seen, "", figures)


def _watch(source: str, spec: CameraSpec) -> tuple[list[float], float, str]:
    """Ages of the frames as each was first seen, the time from the first to the last [s], and what is done to pictures
    of another size. Raises CameraError.
    """
    ages, taken = [], []
    with open_camera(source, spec) as opened:
        last = opened.latest()
        until = time.monotonic() + WATCHED
        while time.monotonic() < until:
            image = opened.latest()
            if image is not None and (last is None or image.time > last.time):
                ages.append(time.monotonic() - image.time)
                taken.append(image.time)
                last = image
            time.sleep(0.001)
        note = opened.status.message
    return ages, (taken[-1] - taken[0]) if len(taken) > 1 else 0.0, note


def calibration(path: Path | None, spec: Spec, port: str | None, *, real: bool) -> tuple[Calibration, Finding]:
    """The calibration, or that of a machine which needs none, and what there is to say about it."""
    name, none = "calibration", Calibration.identity(spec)
    if path is None:
        if real:
            fix = "run `leash calibrate all`, and give its folder with --calibration; or name the --machine and --store"
            return none, Finding(name, "warn", "none: joints may be 5 degrees off", fix)
        return none, Finding(name, "ok", "none needed")
    try:
        known = choose(path, spec, serial_number(port) if port else "")
    except CalibrationError as error:
        fix = "give the folder of this machine, or run `leash calibrate all` again"
        return none, Finding(name, "fail", str(error), fix)
    age = (date.today() - known.date).days
    figures = {"hash": known.hash, "age_days": age, "machine": known.machine}
    seen = f"{path}: {known.machine}, {known.hash}, {age} days old"
    if not 0 <= age <= OLD:
        fix = "run `leash calibrate all` again" if age > OLD else "set the date: sudo timedatectl set-ntp true"
        return known, Finding(name, "warn", seen, fix, figures)
    return known, Finding(name, "ok", seen, "", figures)


def policy(
    path: Path, spec: Spec, known: Calibration, machine: Path | None, *, imu: bool | None, real: bool
) -> Findings:
    """Whether a policy file may drive this robot, whose calibration is kept at `machine`.

    `imu` says whether one reports, None that nobody knows; only a `real` robot needs a calibration.
    """
    try:
        manifest = read_manifest(path)
        check_fits(manifest, spec)
    except PolicyError as error:
        yield Finding("policy", "fail", str(error), "train a policy for this robot, or give another --policy")
        return
    figures = {"kind": manifest.kind, "spec_hash": manifest.spec_hash, "calibration": manifest.calibration}
    seen = f"{manifest.kind} for {manifest.spec} {manifest.spec_hash}"
    if manifest.needs_imu and imu is False:
        fix = "flash firmware with the IMU on, or use a policy without"
        yield Finding("policy", "fail", f"{seen} needs an IMU, which is silent", fix, figures)
    elif (real or machine) and (problem := mismatch(manifest, known, machine, spec)):
        yield Finding("policy", "fail", f"{seen} {problem}", remedy(manifest), figures)
    else:
        yield Finding("policy", "ok", seen, "", figures)
