"""`leash bench stop`: how long a person's stop takes to the motors, pressed at random instants of real sessions.

A session of `leash collect` runs on the twin, driven by keys at a pseudo-terminal. Between its gate and the twin lies a
tap that notes every frame and when it passed. Stops come while the session starts, while the robot is armed and stands
up, stands, walks, and while it lies down at the end.
"""

import contextlib
import itertools
import os
import pty
import select
import subprocess
import tempfile
import threading
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from leash_robot.launch.reporting.output import console
from leash_robot.robot.bodies.pupper.protocol import CommandParser, decode_command
from leash_robot.robot.errors import RobotError, WireError
from leash_robot.robot.host.child import python_command
from leash_robot.robot.serial.line import SerialLine
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

STOP, REARM, START, FORWARD, QUIT = b" ", b"r", b"\r", b"w", b"\x04"
"""Keys of `leash collect --operator keyboard`."""
COLLECT = "from leash_robot.launch.cli import main; sys.exit(main())"
REPEAT = 0.04
"""A held key repeats so often [s]."""
PATIENCE = 60.0
"""How long a session may take to do anything [s]."""
AFTERWARDS = 0.6
"""How long the wire is watched after a press [s]."""
STARTED, REARMED, ENDED = 4.0, 5.0, 2.2
"""Stops are pressed up to so long after the session was started, re-armed, or told to end [s]."""
BATCH = 10
"""Stops in one session: one while it starts, one while it ends, the others after re-arming."""
STILL = 1e-4
"""Targets that differ by less are the same [rad]."""


class Tap:
    """A pseudo-terminal before a serial port; keeps what the host sent, and when."""

    def __init__(self, port: str) -> None:
        self._line = SerialLine(port)
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(slave)
        self._slave = slave
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self._parser = CommandParser()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        self._line.close()
        for end in (self._master, self._slave):
            os.close(end)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))
        while not self._over.is_set():
            for ready in select.select([self._master, self._line.fd], [], [], 0.1)[0]:
                with contextlib.suppress(BlockingIOError, OSError):
                    self._down() if ready == self._master else os.write(self._master, self._line.read())

    def _down(self) -> None:
        data, now = os.read(self._master, 65536), time.monotonic()
        self._line.write(data)
        for payload in self._parser.feed(data):
            with contextlib.suppress(WireError):
                self.frames.append((now, decode_command(payload)))

    def current(self, when: float) -> bool:
        """Whether the motors followed a target of ours at a time [s]."""
        states = [_powers(fields) for at, fields in list(self.frames) if at <= when]
        return next((state for state in reversed(states) if state is not None), False)

    def moved(self, since: float) -> float:
        """When the last target that differs from the one before went out after a time [s]; that time if none did."""
        sent = [(at, np.array(fields["pos"])) for at, fields in list(self.frames) if "pos" in fields]
        new = [at for (_, before), (at, now) in itertools.pairwise(sent) if np.abs(now - before).max() > STILL]
        return max([since, *(at for at in new if at > since)])

    def released(self, since: float) -> float:
        """When the motors were first let go after a time [s]; infinity if never."""
        gone = [at for at, fields in list(self.frames) if at > since and _powers(fields) is False]
        return min(gone, default=float("inf"))


def _powers(fields: dict[str, Any]) -> bool | None:
    """Whether a frame lets the motors follow targets, or lets go of them; None when it changes nothing."""
    if "kp" in fields:
        return bool(fields["kp"] > 0)
    return False if "idle" in fields else None


class Typist:
    """One `leash collect` at a tap, and the keys for it."""

    def __init__(self, tap: Tap, folder: Path) -> None:
        self._master, slave = pty.openpty()
        self._drained = threading.Thread(target=self._drain, daemon=True)
        words = [str(folder), "--robot", "pupper", "--port", tap.path, "--operator", "keyboard", "--episodes", "999"]
        self.process = subprocess.Popen(
            [*python_command(COLLECT), "collect", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(slave)
        self.screen = bytearray()
        self._drained.start()

    def press(self, key: bytes) -> float:
        """Press a key; when."""
        os.write(self._master, key)
        return time.monotonic()

    def hold(self, key: bytes, seconds: float) -> None:
        """Keep a key down."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.press(key)
            time.sleep(min(REPEAT, max(0.0, until - time.monotonic())))

    def end(self) -> None:
        """See the session out."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise RobotError(f"the session does not end: {self.screen[-300:].decode(errors='replace')}") from None
        finally:
            self.process.kill()
            self.process.wait()
            self._drained.join(1.0)
            os.close(self._master)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                self.screen += data


@dataclass
class Press:
    """One stop."""

    state: str
    """What the session did: starting, re-arming, ending."""
    current: bool
    """Whether the motors followed targets of ours then."""
    moved: float
    """From the press to the last new target [s]; 0 when none followed."""
    released: float
    """From the press to the frame that lets go of the motors [s]; infinity when none came."""


@dataclass
class StopTrials:
    """All of a measurement."""

    twin: TwinProcess
    tap: Tap
    folder: Path
    rng: np.random.Generator
    presses: list[Press] = field(default_factory=list)

    def session(self, count: int) -> None:
        """Press so many stops in one session."""
        typist = Typist(self.tap, self.folder)
        if self.rng.random() < 0.5:
            self._until_current(typist)
        self._press(typist, "starting", STARTED)
        for _ in range(count - 2):
            self._rearm(typist)
            self._press(typist, "re-armed", REARMED)
        if count > 1:
            self._rearm(typist)
            typist.hold(FORWARD, REARMED)
            typist.press(QUIT)
            self._press(typist, "ending", ENDED, keys=False)
        else:
            typist.press(QUIT)
        typist.end()

    def _rearm(self, typist: Typist) -> None:
        """A person sees to the robot, then re-arms it, again and again until it is armed."""
        self.twin.place()
        time.sleep(0.3)
        self._until_current(typist, REARM)

    def _until_current(self, typist: Typist, key: bytes = b"") -> None:
        until = time.monotonic() + PATIENCE
        for waited in itertools.count():
            if self.tap.current(now := time.monotonic()):
                return
            if now > until or typist.process.poll() is not None:
                raise RobotError(f"the robot is not armed: {typist.screen[-900:].decode(errors='replace')}")
            if key and waited % 50 == 0:
                typist.press(key)
            time.sleep(0.02)

    def _press(self, typist: Typist, state: str, within: float, *, keys: bool = True) -> None:
        """Let a random time pass, in which a person may drive and record, then stop."""
        wait = float(self.rng.uniform(0.0, within))
        if keys and wait > 2.0 and self.rng.random() < 0.5:
            time.sleep(wait / 2)
            typist.press(START)
            typist.hold(FORWARD, wait / 2)
        else:
            time.sleep(wait)
        pressed = typist.press(STOP)
        time.sleep(AFTERWARDS)
        if typist.process.poll() is not None and state == "ending":
            return
        tap = self.tap
        press = Press(state, tap.current(pressed), tap.moved(pressed) - pressed, tap.released(pressed) - pressed)
        self.presses.append(press)


def measure(presses: int, seed: int) -> dict[str, Any]:
    """Press so many stops. Raises RobotError when a session hangs."""
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        TwinProcess(TwinConfig(seed=seed)) as twin,
        Tap(twin.port) as tap,
    ):
        trials = StopTrials(twin, tap, Path(folder) / "data", np.random.default_rng(seed))
        while (left := presses - len(trials.presses)) > 0:
            trials.session(min(BATCH, left))
            console.print(f"{len(trials.presses)} of {presses} stops", highlight=False)
    return figures(trials.presses)


def figures(presses: list[Press]) -> dict[str, Any]:
    """The longest and the 95th percentile of each time, of presses while the motors had current of ours."""
    live = [press for press in presses if press.current]
    moved = 1e3 * np.array([press.moved for press in live] or [0.0])
    released = 1e3 * np.array([press.released for press in live] or [0.0])
    return {
        "presses": len(presses),
        "with_current": len(live),
        **{f"with_current_{state}": sum(press.state == state for press in live) for state in sorted(_states(live))},
        "moved_max_ms": float(moved.max()),
        "released_p95_ms": float(np.percentile(released, 95)),
        "released_max_ms": float(released.max()),
        "armed_after_stop": sum(not press.current and press.moved > 0 for press in presses),
    }


def _states(presses: list[Press]) -> set[str]:
    return {press.state for press in presses}
