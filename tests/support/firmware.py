"""A small stand-in for the Teensy, behind a pseudo-terminal: enough firmware to test the driver and the gate against.

Joints follow their targets at a bounded speed; nothing has mass. Everything that arrives is kept with its time.
"""

import contextlib
import os
import pty
import random
import select
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from leash_robot.robot import posture
from leash_robot.robot.bodies.pupper.protocol import JOINTS, CommandParser, decode_command, encode_telemetry
from leash_robot.robot.safety import client as gate_link
from leash_robot.robot.spec import load_spec

REST = tuple(load_spec().rest.tolist())
BRISK_GATE = """
import sys
from leash_robot.robot.safety import core as gate_core, process as gate
gate_core.STILL = gate_core.HEALTHY = gate_core.SINK = 0.1
sys.exit(gate.main(int(sys.argv[1])))
"""
"""A gate that gets ready and lets sink in a tenth of the time; nothing here has mass."""
PERIOD = 0.01
SPEED = 15.0


def hasten(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.4) -> None:
    """Let robots move within so long, and their gates get ready and sink in a tenth of the time."""
    for name in ("RAMP", "STOP", "CALM", "LOWER"):
        monkeypatch.setattr(posture, name, seconds)
    monkeypatch.setattr(posture, "SETTLE", 0.1)
    monkeypatch.setattr(gate_link, "COMMAND", (sys.executable, "-c", BRISK_GATE))


class Firmware:
    """A context manager; `path` is the port, a link that survives `unplug` and `replug`."""

    def __init__(self, folder: Path, *, age: float = 60.0, homing: float = 0.0) -> None:
        self.path = folder / "ttyPupper"
        self.frames: list[tuple[float, dict[str, Any]]] = []
        """What the host sent, with arrival times."""
        self.writes: list[bytes] = []
        """What each read brought."""
        self.pos = [0.0] * JOINTS if homing else list(REST)
        self.vel = [0.0] * JOINTS
        self.broken = False
        """Whether it is in its ERROR mode, which any of the host's modes ends."""
        self.imu: tuple[float, ...] = (0.0,) * 6
        self.optional: dict[str, object] = {}
        self.silent = False
        self.ber = 0.0
        self.mode = "homing" if homing else "position"
        self.target: list[float] = list(REST)
        self.gains = (8.0, 2.0, 6.0)
        self.speed = 1.5 if homing else SPEED
        self._age, self._ticks = age, 0
        self._homed_at = time.monotonic() + homing
        self._random = random.Random(0)
        self._text = b""
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._parser = CommandParser()
        self._master = -1

    def __enter__(self) -> Self:
        self.replug()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
        self.unplug()

    def say(self, text: str) -> None:
        """Print a line into the telemetry stream."""
        with self._lock:
            self._text += text.encode() + b"\r\n"

    def reboot(self, homing: float = 1.0) -> None:
        """Forget everything and home again; the port stays."""
        with self._lock:
            self._age, self._ticks, self._homed_at = 0.0, 0, time.monotonic() + homing
            self.mode, self.speed, self.target = "homing", 1.5, list(REST)
            self.pos, self.vel = [0.0] * JOINTS, [0.0] * JOINTS

    def unplug(self) -> None:
        """Close the port under its user."""
        with self._lock, contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            os.close(self._master)
            self._master = -1

    def replug(self) -> None:
        """Open a port again, another one under the same name."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        with self._lock:
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(os.ttyname(slave))
            self._master, self._parser = master, CommandParser()
        os.close(slave)

    def sent(self, key: str) -> list[tuple[float, Any]]:
        """Times and values of every frame that carried this key."""
        return [(when, fields[key]) for when, fields in list(self.frames) if key in fields]

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # a Teensy does not wait for other programs
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))
        due = time.monotonic()
        while not self._end.is_set():
            due = max(due + PERIOD, time.monotonic() - PERIOD)
            while (left := due - time.monotonic()) > 0:
                self._listen(left)
            with self._lock:
                self._move()
                self._speak()

    def _listen(self, left: float) -> None:
        master = self._master
        if master < 0:
            time.sleep(left)
            return
        with contextlib.suppress(OSError, ValueError):
            if select.select([master], [], [], left)[0]:
                data = os.read(master, 4096)
                self.writes.append(data)
                for payload in self._parser.feed(data):
                    self._obey(decode_command(payload))
                return
        time.sleep(min(left, 0.001))

    def _obey(self, fields: dict[str, Any]) -> None:
        self.frames.append((time.monotonic(), fields))
        with self._lock:
            if "idle" in fields:
                self.mode, self.broken = "idle", False
            if "pos" in fields:
                self.broken = False
                self.mode, self.target, self.speed = "position", fields["pos"], SPEED
            kp, kd, most = self.gains
            self.gains = (fields.get("kp", kp), fields.get("kd", kd), fields.get("max_current", most))

    def _move(self) -> None:
        if self.mode == "homing" and time.monotonic() > self._homed_at:
            self.mode, self.pos, self.vel = "position", list(REST), [0.0] * JOINTS
        free = self.broken or self.mode not in {"homing", "position"} or self.gains[0] <= 0
        errors = [want - angle for want, angle in zip(self.pos if free else self.target, self.pos, strict=True)]
        speeds = [min(max(error / (2 * PERIOD), -self.speed), self.speed) for error in errors]
        # Note: speeds may change at once, but angles follow from them, or no one would believe this robot
        self.pos = [
            angle + (before + after) / 2 * PERIOD
            for angle, before, after in zip(self.pos, self.vel, speeds, strict=True)
        ]
        self.vel = speeds

    def _speak(self) -> None:
        text, self._text = self._text, b""
        self._ticks += 1
        ts = self._age * 1e3 + self._ticks * PERIOD * 1e3
        state = b"" if self.silent else encode_telemetry(ts, self.pos, self.vel, self.imu, **self.optional)
        data = bytearray(text + (b"ERROR\r\n" * 10 if self.broken else b"") + state)
        for bit in self._flips(len(data) * 8):
            data[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(OSError):
            os.write(self._master, data)

    def _flips(self, bits: int) -> Iterator[int]:
        return (bit for bit in range(bits) if self.ber and self._random.random() < self.ber)


def wait_for(what: Callable[[], object], seconds: float = 10.0) -> None:
    """Return once `what()` is true; fail when it does not become so."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)
