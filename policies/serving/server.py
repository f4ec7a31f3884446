"""The policy server: answers the observations of several robots, each with a policy of its own."""

import contextlib
import os
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import zmq
from zmq.auth.thread import ThreadAuthenticator

from leash_robot.policies.freshness import cameras_of, too_old
from leash_robot.policies.manifest import Manifest, to_json
from leash_robot.policies.serving.endpoint import ZAP_DOMAIN, check_endpoint, tune
from leash_robot.policies.serving.keys import ServerKeys
from leash_robot.robot.errors import LeashError, ServerError, WireError
from leash_robot.robot.inference.protocol import (
    VERSION,
    Answer,
    Hello,
    Question,
    Refusal,
    Welcome,
    encode,
    read_request,
    reply_to,
)
from leash_robot.robot.types import Action, Array, Observation, Policy

BURST = 64
"""Messages taken in before the newest of each robot are answered."""
IDLE = 10.0
"""A robot that was silent for this long gives up its place when somebody else wants it [s]."""

Note = Callable[[str], None]


@runtime_checkable
class Planner(Protocol):
    """A policy that also says what it would do at the ticks after this one."""

    def plan(self, obs: Observation) -> tuple[Action, Array]:
        """The action now, and targets (k, n) from now on."""
        ...


@dataclass(frozen=True)
class Served:
    """What a server offers."""

    manifest: Manifest
    make: Callable[[], Policy]
    """Makes a policy for one robot."""


@dataclass
class Client:
    """One robot."""

    policy: Policy
    plan: Callable[[Observation], tuple[Action, Array]]
    session: int = 0
    seq: int = -1
    seen: float = 0.0


def serve(
    served: Served, endpoint: str, stop: threading.Event, *, keys: ServerKeys | None = None, note: Note | None = None
) -> None:
    """Answer until `stop` is set. Raises ServerError when the endpoint cannot be used."""
    with PolicyServer(served, endpoint, keys=keys, note=note) as server:
        while not stop.is_set():
            server.turn(0.1)


class PolicyServer:
    """A ROUTER socket and the robots behind it."""

    def __init__(
        self,
        served: Served,
        endpoint: str,
        *,
        keys: ServerKeys | None = None,
        note: Note | None = None,
        places: int = 16,
    ) -> None:
        check_endpoint(endpoint, keys=keys is not None)
        self._served = served
        self._manifest_json = to_json(served.manifest)
        self._endpoint = endpoint
        self._keys = keys
        self._note = note or (lambda line: None)
        self._places = places
        self._clients: dict[bytes, Client] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            context = opening.enter_context(zmq.Context())
            if self._keys is not None:
                opening.callback(_let_in(context, self._keys).stop)
            self._socket = opening.enter_context(context.socket(zmq.ROUTER))
            self._bind()
            self._open = opening.pop_all()
        self._note(f"serving {self._served.manifest.kind} at {self.endpoint}; Ctrl-C stops")
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @property
    def endpoint(self) -> str:
        """Where it is reached; a port given as * is filled in."""
        return self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def turn(self, timeout: float) -> None:
        """Take in what has arrived, waiting up to `timeout` [s] for it, and answer the newest of each robot."""
        questions: dict[bytes, Question] = {}
        for identity, frames in self._arrived(timeout):
            self._take(identity, frames, questions)
        for identity, question in questions.items():
            self._send(identity, self._answer(identity, question))

    def _bind(self) -> None:
        tune(self._socket)
        if self._keys is not None:
            self._socket.curve_server = True
            self._socket.curve_secretkey = self._keys.secret
            self._socket.zap_domain = ZAP_DOMAIN
            # Note: without this a CURVE server whose authenticator is missing lets every client in.
            self._socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        _refuse_taken(self._endpoint)
        before = os.umask(0o177)
        try:
            self._socket.bind(self._endpoint)
        except zmq.ZMQError as error:
            raise ServerError(f"cannot serve at {self._endpoint}: {error}; choose another --endpoint") from None
        finally:
            os.umask(before)

    def _arrived(self, timeout: float) -> Iterator[tuple[bytes, list[bytes]]]:
        self._socket.setsockopt(zmq.RCVTIMEO, int(timeout * 1000))
        for _ in range(BURST):
            try:
                identity, *frames = self._socket.recv_multipart()
            except zmq.Again:
                return
            yield identity, frames
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return

    def _take(self, identity: bytes, frames: list[bytes], questions: dict[bytes, Question]) -> None:
        try:
            request = read_request(frames)
        except WireError as error:
            self._send(identity, _refusal(error))
            return
        if isinstance(request, Hello):
            questions.pop(identity, None)
            self._send(identity, self._welcome(identity, request))
        else:
            questions[identity] = request

    def _welcome(self, identity: bytes, hello: Hello) -> Answer:
        if hello.version != VERSION:
            reason = (
                f"the robot speaks wire version {hello.version}, this server {VERSION}; install the same leash on both"
            )
            return Refusal(reason, hello.session)
        client = self._clients.get(identity) or self._admit(identity)
        if client is None:
            return Refusal(f"all {self._places} places are taken; stop another robot first", hello.session)
        client.policy.reset()
        client.session, client.seq, client.seen = hello.session, -1, time.monotonic()
        return Welcome(hello.session, self._manifest_json)

    def _admit(self, identity: bytes) -> Client | None:
        """A place for a robot that is new here: a free one, or that of the robot that was silent for longest."""
        now = time.monotonic()
        if len(self._clients) >= self._places:
            oldest = min(self._clients, key=lambda key: self._clients[key].seen)
            if now - self._clients[oldest].seen < IDLE:
                return None
            del self._clients[oldest]
        policy = self._served.make()
        self._clients[identity] = Client(policy, policy.plan if isinstance(policy, Planner) else _single(policy))
        self._note(f"a robot joined; {len(self._clients)} now")
        return self._clients[identity]

    def _answer(self, identity: bytes, question: Question) -> Answer:
        client = self._clients.get(identity)
        if client is None or client.session != question.session:
            return Refusal("no such session here; say hello first", question.session, question.seq)
        if question.seq <= client.seq:
            return Refusal(f"seq {question.seq} after {client.seq}", question.session, question.seq)
        client.seq, client.seen = question.seq, time.monotonic()
        try:
            self._check(question.obs)
            started = time.monotonic()
            action, chunk = client.plan(question.obs)
            return reply_to(question, action, chunk, time.monotonic() - started)
        except LeashError as error:
            self._note(f"refused: {error}")
            return _refusal(error, question)

    def _check(self, obs: Observation) -> None:
        if len(obs.joint_pos) != len(self._served.manifest.joints):
            raise WireError(f"{len(obs.joint_pos)} joints seen, {len(self._served.manifest.joints)} expected")
        if len(obs.command) != self._served.manifest.command_size:
            raise WireError(f"a command of {len(obs.command)}, not {self._served.manifest.command_size}, entries")
        bounds = self._served.manifest.bounds
        if missing := [name for name in cameras_of(bounds) if name not in obs.images and not bounds[name].optional]:
            raise WireError(f"no image from {missing}; the policy cannot do without")
        if stale := too_old(bounds, obs, obs.time + obs.age):
            raise WireError(stale)

    def _send(self, identity: bytes, answer: Answer) -> None:
        """Note: to a robot that is gone, or that does not read, a ROUTER drops silently; nothing waits here."""
        self._socket.send_multipart([identity, encode(answer)], zmq.NOBLOCK)


def _single(policy: Policy) -> Callable[[Observation], tuple[Action, Array]]:
    """Plans of one tick, for a policy that makes none."""

    def plan(obs: Observation) -> tuple[Action, Array]:
        action = policy.act(obs)
        return action, action.joint_pos[None]

    return plan


def _refusal(error: LeashError, question: Question | None = None) -> Refusal:
    reason = str(error)[:500]
    return Refusal(reason) if question is None else Refusal(reason, question.session, question.seq)


def _let_in(context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> ThreadAuthenticator:
    """Answer ZAP requests (ZeroMQ RFC 27) from the allow-list."""
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve(domain=ZAP_DOMAIN.decode(), location=str(keys.allowed))
    return authenticator


def _refuse_taken(endpoint: str) -> None:
    """ZeroMQ would take an ipc address away from a server that lives; a socket file of a dead one is replaced."""
    if not endpoint.startswith("ipc://"):
        return
    path = Path(endpoint.removeprefix("ipc://"))
    if path.exists() and not path.is_socket():
        raise ServerError(f"{path} is no socket, and serving there would delete it; choose another --endpoint")
    with sockets.socket(sockets.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(endpoint.removeprefix("ipc://"))
        raise ServerError(f"a server is already reached at {endpoint}; stop it or choose another --endpoint")
