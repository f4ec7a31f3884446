"""What the policy server costs: round trips of a camera frame and the state, against a bare ZeroMQ echo."""

import contextlib
import importlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import msgspec
import numpy as np
import zmq

from leash_robot.policies.manifest import Manifest, NetworkConfig, describe
from leash_robot.policies.scripted.gait import Stand
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.policies.serving.server import Served, serve
from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.host.child import socket_folder
from leash_robot.robot.inference.protocol import Question, Reply, act_frames, encode, reply_to
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Array, Observation

CAMERA = "head"
FRAME_BYTES = 50_000
WARM = 50
"""Round trips of each that do not count."""


def measure(seconds: float) -> dict[str, float]:
    """Round trips for `seconds`, in turn through a server of a pose, a server of a network, and bare ZeroMQ.

    Keys, milliseconds at the median (p50) or 99th percentile: `rtt_*` and `model_p50_ms` of the server that answers
    with a pose, `over_p50_ms` what it takes over the model's own time, `bare_*` of a process that sends the same
    payload back, `ratio` of rtt to bare; `short_p50_ms` and `short_ratio` the same beside one that sends back no more
    bytes than the server; `network_rtt_p50_ms`, `network_model_p50_ms`, `network_over_p50_ms` of the server that runs
    a cloned policy's network; `payload_bytes`, `round_trips`, `late`.
    """
    spec = load_spec()
    obs = observed(spec)
    with socket_folder("leash-") as folder, contextlib.ExitStack() as opened:
        remotes = {
            kind: opened.enter_context(served(kind, f"ipc://{folder}/{kind}", spec)) for kind in ("stand", "network")
        }
        echo = opened.enter_context(echoed(f"ipc://{folder}/bare", obs, 0))
        short = opened.enter_context(echoed(f"ipc://{folder}/short", obs, len(encode(_reply(obs)))))
        bare = _alternate(seconds, obs, remotes, (echo, short))
        return _figures(remotes["stand"], remotes["network"], bare, obs)


def observed(spec: Spec) -> Observation:
    """A state with a camera frame of about 50 kB."""
    with FakeRobot(spec) as robot:
        robot.reset()
        obs = robot.observe()
    noise = np.random.default_rng(0).normal(0, 0.3, (2, len(spec.joints)))
    return replace(obs, joint_pos=obs.joint_pos + noise[0], joint_vel=noise[1], images={CAMERA: frame()})


def fresh(obs: Observation) -> Observation:
    """The same, seen and pictured just now."""
    now = time.monotonic()
    images = {name: Image(now, jpeg=image.jpeg) for name, image in obs.images.items()}
    return replace(obs, time=now, images=images)


def frame() -> Image:
    """A 640 x 480 scene: soft shapes, and as much grain as makes a JPEG of about 50 kB."""
    rng = np.random.default_rng(0)
    shapes = cv2.resize(rng.uniform(40, 215, (8, 10, 3)), (640, 480), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 1, shapes.shape)
    for strength in np.arange(1.0, 40.0):
        pixels: Pixels = np.clip(shapes + strength * grain, 0, 255).astype(np.uint8)
        if len(Image(0.0, rgb=pixels).jpeg) >= FRAME_BYTES:
            break
    return Image(0.0, jpeg=Image(0.0, rgb=pixels).jpeg)


@contextlib.contextmanager
def served(kind: str, endpoint: str, spec: Spec) -> Iterator[RemotePolicy]:
    """A policy in a server process of its own, asked from here."""
    with process(serve_one, kind, endpoint), RemotePolicy(endpoint, spec, patience=60.0, deadline=1.0) as remote:
        yield remote


@contextlib.contextmanager
def echoed(endpoint: str, obs: Observation, size: int) -> Iterator[Callable[[], float]]:
    """A bare process that answers with `size` bytes, 0 meaning the payload; yields what asks and times it [s]."""
    payload = act_frames(1, 1, obs)
    with process(answer, endpoint, size), zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.connect(endpoint)

        def ask() -> float:
            started = time.monotonic()
            socket.send_multipart(payload)
            socket.recv_multipart()
            return time.monotonic() - started

        yield ask


@contextlib.contextmanager
def process(target: Callable[..., None], *args: object) -> Iterator[None]:
    """A fresh process for the length of the block."""
    running = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    running.start()
    try:
        yield
    finally:
        running.kill()
        running.join()


def serve_one(kind: str, endpoint: str) -> None:
    """Serve the stand pose, or an untrained network of the usual size; both ask for the camera."""
    spec = load_spec()
    if kind == "stand":
        served = Served(_with_camera(describe(kind, spec)), lambda: Stand(spec))
    else:
        manifest = msgspec.structs.replace(
            describe(kind, spec), features=FeatureConfig(), network=NetworkConfig(), box=(0.4,) * len(spec.joints)
        )
        served = Served(
            _with_camera(manifest), importlib.import_module("leash_robot.policies.cloned_policy").untrained(manifest)
        )
    serve(served, endpoint, threading.Event())


def answer(endpoint: str, size: int) -> None:
    """Answer every message with `size` bytes, or with itself: as little as a ZeroMQ server can do."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(endpoint)
        while True:
            identity, *payload = socket.recv_multipart()
            socket.send_multipart([identity, bytes(size)] if size else [identity, *payload])


def _with_camera(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, cameras=(CAMERA,))


def _alternate(
    seconds: float, obs: Observation, remotes: dict[str, RemotePolicy], echoes: Sequence[Callable[[], float]]
) -> Array:
    """Take turns for so long; return the echoes' round trips (T, echoes) [s]. The first ones do not count."""
    bare: list[list[float]] = []
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until or count < 2 * WARM:
        if count == WARM:
            bare.clear()
            for remote in remotes.values():
                remote.stats.round_trip.clear()
                remote.stats.model.clear()
        for remote in remotes.values():
            remote.act(fresh(obs))
        bare.append([echo() for echo in echoes])
        count += 1
    return np.array(bare)


def _figures(stand: RemotePolicy, network: RemotePolicy, bare: Array, obs: Observation) -> dict[str, float]:
    of_stand, of_network = stand.stats.figures(), network.stats.figures()
    (bare_p50, short_p50), (bare_p99, _) = np.percentile(bare, (50, 99), axis=0) * 1e3
    return {
        "rtt_p50_ms": of_stand["rtt_p50_ms"],
        "rtt_p99_ms": of_stand["rtt_p99_ms"],
        "model_p50_ms": of_stand["model_p50_ms"],
        "over_p50_ms": of_stand["rtt_p50_ms"] - of_stand["model_p50_ms"],
        "bare_p50_ms": float(bare_p50),
        "bare_p99_ms": float(bare_p99),
        "ratio": of_stand["rtt_p50_ms"] / float(bare_p50),
        "short_p50_ms": float(short_p50),
        "short_ratio": of_stand["rtt_p50_ms"] / float(short_p50),
        "network_rtt_p50_ms": of_network["rtt_p50_ms"],
        "network_model_p50_ms": of_network["model_p50_ms"],
        "network_over_p50_ms": of_network["rtt_p50_ms"] - of_network["model_p50_ms"],
        "payload_bytes": sum(map(len, act_frames(1, 1, obs))),
        "round_trips": len(bare),
        "late": of_stand["late"] + of_network["late"],
    }


def _reply(obs: Observation) -> Reply:
    action = Stand(load_spec()).act(obs)
    return reply_to(Question(1, 1, obs), action, action.joint_pos[None], 1e-4)
