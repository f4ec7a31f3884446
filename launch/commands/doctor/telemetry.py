"""Checks of what comes from the port. Only reads: nothing can move by it, and homing is not disturbed."""

import errno
import grp
import os
import select
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from serial.tools import list_ports

from leash_robot.launch.commands.doctor.finding import Finding, Findings
from leash_robot.robot.bodies.pupper.codec import ALARMS, BOOT
from leash_robot.robot.bodies.pupper.gate import rest_bounds
from leash_robot.robot.bodies.pupper.protocol import TelemetryParser
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.clock import Grid, MonotonicClock
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.serial.line import SerialLine
from leash_robot.robot.serial.port_names import whereabouts
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

LISTEN = 3.0
"""How long the port is listened to [s]."""
GAP = 0.1
"""A gap in the telemetry at which the gate would stop the robot [s]."""
STILL = 0.05
"""A joint faster than this moves [rad/s]."""


@dataclass
class Heard:
    """What came from the port."""

    frames: list[Telemetry] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """How late each tick of the rehearsal was [s]."""

    @property
    def rate(self) -> float:
        """Frames a second, by the Teensy's clock."""
        spans = np.diff([frame.ts for frame in self.frames])
        return 1e3 / float(np.median(spans)) if len(spans) and np.median(spans) > 0 else 0.0

    @property
    def gap(self) -> float:
        """Longest silence between two frames [s]."""
        return float(np.diff([frame.time for frame in self.frames]).max()) if len(self.frames) > 1 else float("inf")

    @property
    def jitter(self) -> float:
        """How much later than the most punctual frame the 99th percentile arrives [s]."""
        ages = np.array([frame.time - frame.ts / 1e3 for frame in self.frames])
        return float(np.percentile(ages - ages.min(), 99)) if len(ages) else float("inf")

    @property
    def imu(self) -> bool:
        """Whether an IMU reports."""
        return any(frame.imu is not None for frame in self.frames)


def ports(port: str | None, serial: str = "", *, wanted: bool) -> Findings:
    """Which serial ports there are, and whether the one that is meant may be opened; `wanted` says that one must be.

    `serial` is the serial number of the robot's USB device, where its calibration is known.
    """
    there = [found.device for found in list_ports.comports()]
    if port is None:
        hint = there[0] if there else "/dev/ttyACM0"
        yield Finding(
            "port",
            "fail" if wanted else "warn",
            f"no port was named; ports here: {', '.join(there) or 'none'}",
            f"plug the robot in and run `leash doctor --robot pupper --port {hint}`, or try --robot twin",
        )
        return
    problem, fix = _unopenable(port, serial)
    yield Finding("port", "fail" if problem else "ok", problem or f"{lasting(port)} can be opened", fix)


def _unopenable(port: str, serial: str) -> tuple[str, str]:
    """Why a port cannot be opened and what to do; both empty when it can."""
    try:
        SerialLine(port).close()
    except OSError as error:
        if error.errno == errno.EACCES:
            return f"no permission to open {port}", _permission(port)
        if error.errno == errno.ENOENT:
            gone = whereabouts(port, serial) or f"there is no port {port}"
            return gone, "plug the robot in, or name another --port"
        if error.errno in {errno.EAGAIN, errno.EBUSY}:
            return f"{port} is in use by another program", f"end it: `fuser -v {port}` names it"
        return f"cannot open {port}: {error.strerror}", "name the robot's serial port with --port"
    return "", ""


def _permission(port: str) -> str:
    """The group that the port belongs to, where that helps; else its mode."""
    status = Path(port).stat()
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = ""
    if group in {"", "root"} or not status.st_mode & 0o060:
        return f"sudo chmod 660 {port} && sudo chgrp dialout {port} && sudo usermod -aG dialout $USER, then log in anew"
    return f"sudo usermod -aG {group} $USER, then log in anew"


def listen(port: str, seconds: float, period: float | None = None) -> Heard:
    """Take what comes for a while; with a `period`, on the loop's grid, which is what a loop without motion does.

    Raises OSError when the port goes away.
    """
    heard, parser = Heard(), TelemetryParser()
    line = SerialLine(port)
    grid = Grid(period, MonotonicClock()) if period else None
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            if grid:
                heard.late.append(grid.wait())
            else:
                select.select([line.fd], [], [], 0.1)
            heard.frames += parser.feed(line.read(), time.monotonic())
            heard.lines += parser.take_lines()
    finally:
        line.close()
    return heard


def telemetry(heard: Heard) -> Findings:
    """Rate, gaps, alarms, and what the firmware seems to be."""
    if not heard.frames:
        said = f"; it says {heard.lines[-1]!r}" if heard.lines else ""
        yield Finding(
            "telemetry", "fail", f"no state in {LISTEN:.0f} s{said}", "switch the battery on; power-cycle the robot"
        )
        return
    gaps = heard.gap > GAP
    figures = {"rate_hz": heard.rate, "gap_max_ms": 1e3 * heard.gap, "jitter_p99_ms": 1e3 * heard.jitter}
    yield Finding(
        "telemetry",
        "fail" if gaps else "ok",
        f"{heard.rate:.0f} Hz, longest gap {1e3 * heard.gap:.0f} ms, 99 % at most {1e3 * heard.jitter:.1f} ms late",
        "plug the robot in without a hub, by a short cable; end what else keeps this computer busy" if gaps else "",
        figures,
    )
    alarms = [text for text in heard.lines if any(alarm in text for alarm in ALARMS)]
    yield Finding(
        "alarm",
        "fail" if alarms else "ok",
        f"the firmware says {alarms[-1]!r}" if alarms else "none",
        "free the joint, lay the robot on its belly, power-cycle it" if alarms else "",
    )
    yield Finding("firmware", "ok", _variant(heard), "", {"imu": heard.imu, "uptime_s": heard.frames[-1].ts / 1e3})
    yield Finding(
        "imu",
        "ok" if heard.imu else "warn",
        "reports" if heard.imu else "six zeros or absent: policies that need gravity or the gyro will be refused",
        "" if heard.imu else "flash the firmware branch icm20948 (docs/how-to/hardware.md, Firmware variants)",
    )


def _variant(heard: Heard) -> str:
    """Which firmware this could be, by what it sends."""
    if heard.imu:
        return "as the branch icm20948: IMU on"
    return "as the branch no-imu: 200 Hz" if heard.rate > 150 else "as stock head: IMU off"


def homing(heard: Heard, spec: Spec, calibration: Calibration) -> Findings:
    """Whether the joints are still, and where."""
    if not heard.frames:
        return
    recent = heard.frames[-max(1, len(heard.frames) // 3) :]
    speed = float(np.abs([frame.vel for frame in recent]).max())
    joints = calibration.to_joints(np.array(recent[-1].pos))
    out = _out_of_rest(joints, spec)
    figures = {"speed_max_rad_s": speed, "out_of_rest": out}
    if speed > STILL:
        yield Finding(
            "homing", "fail", "the joints move", "wait until the robot lies still, then run this again", figures
        )
    elif out:
        seen = f"still, but not in the rest pose: {', '.join(out)}"
        young = recent[-1].ts < BOOT
        fix = (
            "switch it off, lay it on its belly with its legs folded, switch it on"
            if young
            else ("fine if it stands; after a fresh start: switch it off, fold its legs, switch it on")
        )
        yield Finding("homing", "fail" if young else "warn", seen, fix, figures)
    else:
        yield Finding("homing", "ok", "homed: it lies still in its rest pose", "", figures)


def _out_of_rest(joints: Array, spec: Spec) -> list[str]:
    """Joints that are not where homing leaves them, with their angles."""
    lower, upper = rest_bounds(spec)
    bad = (joints < lower) | (joints > upper)
    return [f"{name} {joints[index]:.2f} rad" for index, name in enumerate(spec.names) if bad[index]]


def lasting(port: str) -> str:
    """The name of a port that outlives replugging; itself where it has none."""
    folder = Path("/dev/serial/by-id")
    links = folder.iterdir() if folder.is_dir() else ()
    return next((str(link) for link in links if os.path.realpath(link) == os.path.realpath(port)), port)
