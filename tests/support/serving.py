"""Policy servers for tests: real ones in threads and processes, and a puppet that answers as it is told."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import zmq

from leash_robot.policies.manifest import Manifest, describe, to_json
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.policies.serving.endpoint import tune
from leash_robot.policies.serving.keys import ServerKeys
from leash_robot.policies.serving.server import PolicyServer, Served
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.inference.protocol import Answer, Hello, Question, Reply, Welcome, encode, read_request
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Policy
from support.paths import ROOT

SPEC = load_spec()
N = len(SPEC.joints)


def seen(time: float = 1.0, images: Mapping[str, Image] | None = None) -> Observation:
    """An upright robot that is to walk ahead."""
    still, level, ahead = np.zeros(N), np.array([0.0, 0.0, -1.0]), np.array([0.2, 0.0, 0.0])
    return Observation(time, 0.0, SPEC.stand, still, still, level, np.zeros(3), ahead, images or {})


class Counter:
    """Fits `Policy` and `Planner`: its targets count how often it was asked since the reset, in hundredths."""

    def __init__(self, horizon: int = 4) -> None:
        self.horizon = horizon
        self.count = 0

    def reset(self) -> None:
        self.count = 0

    def act(self, obs: Observation) -> Action:
        return self.plan(obs)[0]

    def plan(self, obs: Observation) -> tuple[Action, Array]:
        self.count += 1
        chunk = (self.count + np.arange(self.horizon))[:, None] / 100 + np.zeros(len(obs.joint_pos))
        return Action(chunk[0], obs.command, risk=0.25), chunk


def offer(make: Callable[[], Policy] = Counter, **changes: tuple[str, ...]) -> Served:
    """Something to serve."""
    return Served(msgspec.structs.replace(describe("counter", SPEC), **changes), make)


@contextlib.contextmanager
def served(
    offered: Served, endpoint: str, *, keys: ServerKeys | None = None, notes: list[str] | None = None, places: int = 16
) -> Iterator[str]:
    """A real server in a thread; yields its endpoint."""
    stop, note = threading.Event(), (notes.append if notes is not None else None)
    with PolicyServer(offered, endpoint, keys=keys, note=note, places=places) as server:

        def turn() -> None:
            while not stop.is_set():
                server.turn(0.02)

        thread = threading.Thread(target=turn)
        thread.start()
        try:
            yield server.endpoint
        finally:
            stop.set()
            thread.join()


def serve_process(endpoint: str, policy: str = "trot", *options: str) -> "subprocess.Popen[str]":
    """`leash serve` as a process; ends only when it is told."""
    return subprocess.Popen(
        [sys.executable, "-m", "leash_robot.launch.cli", "serve", policy, "--endpoint", endpoint, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def serving(endpoint: str, policy: str = "trot", *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`leash serve` as a process for the length of the block."""
    process = serve_process(endpoint, policy, *options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def resumed(remote: RemotePolicy, obs: Observation) -> Action:
    """The first action of a policy after resets that a person keeps asking for."""
    for _ in range(200):
        remote.reset()
        action = remote.act(obs)
        if action.source == "policy":
            return action
        threading.Event().wait(0.02)
    raise AssertionError(remote.trouble)


@dataclass
class Puppet:
    """A server that answers each question with whatever `answers` says: none, one, or several, in order."""

    endpoint: str
    manifest: Manifest = field(default_factory=lambda: describe("puppet", SPEC))
    answers: Callable[[Question], Sequence[Answer | bytes]] = lambda question: ()
    questions: list[Question] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator["Puppet"]:
        """Answer in a thread for the length of the block."""
        stop = threading.Event()
        with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
            tune(socket)
            socket.bind(self.endpoint)
            thread = threading.Thread(target=self._run, args=(socket, stop))
            thread.start()
            try:
                yield self
            finally:
                stop.set()
                thread.join()

    def _run(self, socket: "zmq.Socket[bytes]", stop: threading.Event) -> None:
        while not stop.is_set():
            if socket.poll(20):
                identity, *frames = socket.recv_multipart()
                for answer in self._answer(read_request(frames)):
                    socket.send_multipart([identity, answer if isinstance(answer, bytes) else encode(answer)])

    def _answer(self, request: Hello | Question) -> Sequence[Answer | bytes]:
        if isinstance(request, Hello):
            self.hellos.append(request)
            return [Welcome(request.session, to_json(self.manifest))]
        self.questions.append(request)
        return self.answers(request)


def good(question: Question, value: float = 0.1, ticks: int = 1) -> Reply:
    """A fitting reply; its targets are `value`, and 0.01 more each tick."""
    chunk = [[value + 0.01 * tick] * N for tick in range(ticks)]
    return Reply(question.session, question.seq, question.obs.time, 0.001, chunk)
