"""`leash bench freeze`: whether anything is acted upon that was computed from an old picture, while a camera freezes.

A stream of numbered pictures goes over HTTP to a camera process; a policy server, another process, reads the number in
each picture that it is shown and answers with it; a robot without a body is driven by that in real time. Each picture
is as old as the moment at which it was first handed to the network. What freezes is drawn: the process or the stream.
"""

import contextlib
import http.server
import io
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

import msgspec
import numpy as np

from leash_robot.launch.composition.policies import STARTING, end
from leash_robot.launch.reporting.output import console
from leash_robot.policies.manifest import Manifest, describe
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.policies.serving.server import Served, serve
from leash_robot.robot.cameras.camera import CameraProcess, open_camera
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.synthetic import burn, read_burned
from leash_robot.robot.clock import Grid, MonotonicClock
from leash_robot.robot.errors import RobotError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.host.child import python_command, socket_folder
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.spec import CameraSpec, Spec, load_spec
from leash_robot.robot.types import Action, Array, Observation, Tick

Kind = Literal["stopped", "killed", "stalled", "ended", "repeated"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The camera's process is stopped or killed; the stream stands still, ends, or goes on with one picture."""
CAMERA = "head"
PICTURE = CameraSpec(width=160, height=120, rate=30.0)
WAIT, LENGTH = (0.3, 0.8), (0.1, 1.5)
"""A freeze begins so long after it was last acted upon something, and lasts so long [s]."""
PATIENCE = 15.0
"""How long a camera that thawed may take until its pictures are acted upon again [s]."""
BASE = 100
"""Numbers of pictures travel as two digits of this base, within the bounds of a body velocity."""
SERVER = "from leash_robot.benchmarks.safety.freeze import answer; answer(sys.argv[1])"


def offered(spec: Spec) -> Manifest:
    """The manifest of a policy that looks at the camera; its bounds are the default ones."""
    return msgspec.structs.replace(describe("reader", spec), cameras=(CAMERA,))


class FreshnessReader:
    """Fits `Policy` and `Planner`: its command is the number in the picture that it was shown."""

    def __init__(self, spec: Spec) -> None:
        self._stand = spec.stand

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        """The number, and the stand pose."""
        number, _ = read_burned(obs.images[CAMERA].rgb)
        return Action(self._stand.copy(), np.array([number // BASE, number % BASE, 0.0]))

    def plan(self, obs: Observation) -> tuple[Action, Array]:
        """The same for the ticks to come, so that there is something old to go on with."""
        return self.act(obs), np.tile(self._stand, (4, 1))


def answer(endpoint: str) -> None:
    """Serve the reader until the process is ended."""
    spec = load_spec()
    serve(Served(offered(spec), lambda: FreshnessReader(spec)), endpoint, threading.Event())


class Source:
    """A camera on the network, which can be frozen; without stamps, as most are, or with true ones."""

    def __init__(self) -> None:
        self.first: list[float] = []
        """When each picture was first handed to the network, by its number [s]."""
        self.frozen: Kind | None = None
        self.stamped = False
        self._jpeg = b""
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if source.frozen == "ended":
                    self.send_error(503)
                    return
                with contextlib.suppress(OSError):
                    source._deliver(self)

            def log_message(self, format: str, *args: object) -> None:
                return None

        return Handler

    def _deliver(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Send pictures until the stream ends, whichever way."""
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        grid = Grid(1 / PICTURE.rate, MonotonicClock())
        while not self._over.is_set() and self.frozen != "ended":
            grid.wait()
            if self.frozen != "stalled":
                self._send(request.wfile)

    def _send(self, network: io.BufferedIOBase) -> None:
        """Send a picture: a new one, or the last one once more."""
        with self._turn:
            new = self.frozen != "repeated" or not self.first
            if new:
                self._jpeg = _picture(len(self.first))
                self.first.append(time.monotonic())
            number, jpeg, stamped = len(self.first) - 1, self._jpeg, self.stamped
        stamp = f"X-Capture-Time: {self.first[number]!r}\r\n" if stamped else ""
        head = f"--frame\r\nContent-Type: image/jpeg\r\n{stamp}Content-Length: {len(jpeg)}\r\n\r\n"
        part = head.encode() + jpeg + b"\r\n"
        if new and not stamped:
            # Note: without a stamp nobody can know what passed between this camera's capture and its network
            self.first[number] = time.monotonic()
        network.write(part)


def _picture(number: int) -> bytes:
    blank = np.full((PICTURE.height, PICTURE.width, 3), 90, np.uint8)
    return Image(0.0, rgb=burn(blank, number, 0.0)).jpeg


class Seeing(FakeRobot):
    """A robot without a body, in real time, that sees through a camera."""

    def __init__(self, spec: Spec, camera: CameraProcess) -> None:
        super().__init__(spec, MonotonicClock())
        self._camera = camera

    def observe(self) -> Observation:
        """The next tick, with the newest picture, however old."""
        obs, image = super().observe(), self._camera.latest()
        return obs if image is None else replace(obs, images={CAMERA: image})


@dataclass
class ReadPicture:
    """What was acted upon, and what was not."""

    acted: int = 0
    """Ticks at which something computed from a picture went out."""
    stale: int = 0
    """Of these, those whose picture was older than its bound by then."""
    oldest: float = 0.0
    """Age of the oldest picture that was acted upon [s]."""
    held: float = 0.0
    """Longest time from an action to the soft stop that follows [s]."""
    stops: int = 0
    named: int = 0
    """Stops whose reason names the camera."""
    kinds: dict[str, int] = field(default_factory=dict)


class Judge:
    """Fits `Log`: compares what went out with the pictures that it was computed from."""

    def __init__(self, source: Source, policy: RemotePolicy, robot: FakeRobot) -> None:
        self._source, self._policy, self._robot = source, policy, robot
        self._bound = policy.manifest.bounds[CAMERA].max_age
        self.seen = ReadPicture()
        self.newest = -np.inf
        """When the newest picture that was acted upon had been sent [s]."""
        self._last = np.nan

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Judge a tick that has just gone out."""
        now, sent, seen = self._robot.sent_at, tick.sent, self.seen
        if sent.source in {"policy", "human"}:
            self._acted(int(sent.command[0] * BASE + sent.command[1]), now)
        elif sent.source == "safety":
            seen.stops += 1
            seen.named += f"camera {CAMERA!r}" in self._policy.blame
            seen.held = max(seen.held, 0.0 if np.isnan(self._last) else now - self._last)
            self._last = np.nan

    def _acted(self, number: int, now: float) -> None:
        captured = self._source.first[number]
        self.seen.acted += 1
        self.seen.stale += now - captured > self._bound
        self.seen.oldest = max(self.seen.oldest, now - captured)
        self.newest, self._last = max(self.newest, captured), now


@dataclass
class FreezeTrials:
    """All of a measurement."""

    source: Source
    camera: CameraProcess
    robot: Seeing
    policy: RemotePolicy
    judge: Judge
    rng: np.random.Generator

    def freeze(self, kind: Kind) -> None:
        """Freeze the camera once, in the middle of driving, and thaw it; whoever is there re-arms after every stop."""
        self.source.stamped = bool(self.rng.random() < 0.5)
        self._drive_until(time.monotonic())
        wait, length = float(self.rng.uniform(*WAIT)), float(self.rng.uniform(*LENGTH))
        thawed = time.monotonic() + wait + length
        freezing = threading.Thread(target=self._freeze, args=(kind, wait, length))
        freezing.start()
        try:
            self._drive_until(thawed)
        finally:
            freezing.join()
        self.judge.seen.kinds[kind] = self.judge.seen.kinds.get(kind, 0) + 1

    def _drive_until(self, since: float) -> None:
        """Drive until something is acted upon that was captured after this time [s]. Raises RobotError."""
        patience = max(since, time.monotonic()) + PATIENCE

        def over(tick: Tick) -> bool:
            return tick.sent.source == "safety" or self.judge.newest > since

        while self.judge.newest <= since:
            if time.monotonic() > patience:
                raise RobotError(f"nothing was acted upon within {PATIENCE:.0f} s: {self.policy.trouble}")
            run(self.robot, self.policy, self.judge, done=over)

    def _freeze(self, kind: Kind, wait: float, length: float) -> None:
        time.sleep(wait)
        pid = self.camera.pid
        try:
            if kind in {"stopped", "killed"}:
                os.kill(pid, signal.SIGSTOP if kind == "stopped" else signal.SIGKILL)
            else:
                self.source.frozen = kind
            time.sleep(length)
        finally:
            self.source.frozen = None
            if kind == "stopped":
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def opened(seed: int) -> Iterator[FreezeTrials]:
    """The source, the camera, the server and the robot."""
    spec = load_spec()
    with (
        Source() as source,
        _served() as endpoint,
        RemotePolicy(endpoint, spec, patience=STARTING) as policy,
        open_camera(source.url, PICTURE) as camera,
        Seeing(spec, camera) as robot,
    ):
        robot.reset()
        yield FreezeTrials(source, camera, robot, policy, Judge(source, policy, robot), np.random.default_rng(seed))


@contextlib.contextmanager
def _served() -> Iterator[str]:
    with socket_folder("leash-") as folder:
        endpoint = f"ipc://{folder}/{secrets.token_hex(4)}"
        process = subprocess.Popen([*python_command(SERVER), endpoint])
        try:
            yield endpoint
        finally:
            end(process)


def measure(freezes: int, seed: int) -> dict[str, Any]:
    """Freeze so often. Raises RobotError when a camera does not come back."""
    with opened(seed) as trials, first_in_line(0):
        for number in range(freezes):
            trials.freeze(KINDS[number % len(KINDS)])
            if (number + 1) % 10 == 0:
                console.print(f"{number + 1} of {freezes} freezes", highlight=False)
        return figures(trials.judge.seen)


def figures(seen: ReadPicture) -> dict[str, Any]:
    """`acted_on_stale` are the ticks at which something went out that was computed from a picture over its bound."""
    return {
        "freezes": sum(seen.kinds.values()),
        **{f"freezes_{kind}": count for kind, count in seen.kinds.items()},
        "acted": seen.acted,
        "acted_on_stale": seen.stale,
        "oldest_acted_ms": 1e3 * seen.oldest,
        "held_max_ms": 1e3 * seen.held,
        "stops": seen.stops,
        "named": seen.named,
    }
