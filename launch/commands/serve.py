"""`leash serve`: run a policy behind a server, away from the motors."""

import importlib
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro

from leash_robot.launch.composition.policies import check_below
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.options.startup import note
from leash_robot.launch.reporting.output import console
from leash_robot.policies.manifest import describe
from leash_robot.policies.scripted.by_name import names, scripted
from leash_robot.policies.serving.keys import server_keys
from leash_robot.policies.serving.server import Served, serve
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import load_spec


@dataclass(frozen=True)
class Serve:
    """Answer robots that ask a policy what to do: `leash serve walk.safetensors --endpoint tcp://127.0.0.1:5555`."""

    policy: Annotated[PolicyName, tyro.conf.Positional]
    """A policy file, `trot` or `stand`."""
    endpoint: str = "tcp://127.0.0.1:5555"
    """Where to be reached: ipc:///path/to/socket, tcp://127.0.0.1:PORT, or with keys tcp://0.0.0.0:PORT."""
    gait: PolicyName = ""
    """What walks below a policy that steers by a camera: the body's own gait (`trot` for Pupper) unless it is given, or
    the file of a policy that follows commands."""
    keys: Path | None = None
    """Folder with this server's keys and the robots that may call (`leash keys new`)."""
    spec: str = "pupper_v2"
    """Name or file of the robot's spec, for a scripted policy; a policy file brings its own."""


def main(args: list[str]) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    config = parsed(Serve, "leash serve", args)
    stop = _stop_at_signals()
    served = offer(config.policy, config.spec, config.gait)
    keys = server_keys(config.keys) if config.keys is not None else None
    serve(served, config.endpoint, stop, keys=keys, note=say)
    return 0


def say(line: str) -> None:
    """Tell the person at the terminal."""
    console.print(line, highlight=False, soft_wrap=True)


def offer(policy: str, spec: str, gait: str = "") -> Served:
    """What to serve: a scripted policy for a spec, or a policy file, maybe above a gait. Raises PolicyError."""
    check_below(policy, gait)
    if policy in names():
        body = load_spec(spec)
        return Served(describe(policy, body), lambda: scripted(policy, body))
    if not Path(policy).is_file():
        raise PolicyError(f"no policy file {policy!r}; give a file or one of {sorted(names())}")
    loading = importlib.import_module("leash_robot.policies.registry")
    manifest, make = loading.load_policy(Path(policy), gait)
    return Served(manifest, make)


def _stop_at_signals() -> threading.Event:
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        note(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    return stop
