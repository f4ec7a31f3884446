"""Opens the policy that a command names: a scripted gait in this process, a learned one behind its own server."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.plan import Plan
from launch.priority import renice
from policies.checkpoint import read_manifest
from policies.gait import Stand, Trot
from policies.remote import RemotePolicy
from robot.errors import PolicyError
from robot.spec import Spec
from robot.types import Policy

SCRIPTED = {"stand": Stand, "trot": Trot}


@dataclass(frozen=True)
class Brain:
    """A policy and what the robot must have for it."""

    policy: Policy
    needs_imu: bool = False
    remote: RemotePolicy | None = None
    """The same policy when it runs behind a server; it counts round trips and late replies."""


def needs_imu(name: str) -> bool:
    """Whether the policy called or stored as `name` reads gravity or the gyro. Raises PolicyError."""
    if name in SCRIPTED or "://" in name:
        return False
    if not Path(name).is_file():
        raise PolicyError(
            f"no policy file {name!r}; give a file, an endpoint (tcp://...), or one of {sorted(SCRIPTED)}"
        )
    return read_manifest(Path(name)).needs_imu


@contextlib.contextmanager
def open_brain(name: str, spec: Spec, plan: Plan, keys: Path | None = None) -> Iterator[Brain]:
    """Open `trot`, `stand`, a policy file, or a server's endpoint (tcp://..., ipc://...).

    A policy file is served by a process of its own, so that torch never shares one with the motors.
    """
    if name in SCRIPTED:
        yield Brain(SCRIPTED[name](spec))
    elif "://" in name:
        with RemotePolicy(name, spec, keys=keys) as remote:
            yield Brain(remote, remote.manifest.needs_imu, remote)
    else:
        with served(name, plan) as endpoint, RemotePolicy(endpoint, spec, patience=60.0) as remote:
            yield Brain(remote, remote.manifest.needs_imu, remote)


@contextlib.contextmanager
def served(name: str, plan: Plan) -> Iterator[str]:
    """Serve a policy file in a process of its own for the length of the block; yields its endpoint."""
    if not Path(name).is_file():
        raise PolicyError(
            f"no policy file {name!r}; give a file, an endpoint (tcp://...), or one of {sorted(SCRIPTED)}"
        )
    with tempfile.TemporaryDirectory(prefix="leash-") as folder:
        endpoint = f"ipc://{folder}/policy"
        process = subprocess.Popen(
            [sys.executable, "-m", "launch.cli", "serve", name, "--endpoint", endpoint], stdout=subprocess.DEVNULL
        )
        renice(process.pid, plan.processes.server.nice)
        try:
            yield endpoint
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
