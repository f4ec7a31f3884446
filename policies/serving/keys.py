"""CURVE keys that let a policy server be reached from another machine: who may call, and whom to trust.

keys/
├── server.key_secret     stays with the server; readable by its owner only
├── server.key            the server's public key: copy to each robot
├── robot.key_secret      the robot's own pair: move to the robot
└── allowed/robot.key     the robot's public key: the server lets in these and no others
"""

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.auth

from leash_robot.robot.errors import ServerError
from leash_robot.robot.host.new_file import publish

SERVER = "server"
ALLOWED = "allowed"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class ServerKeys:
    """What a server needs."""

    public: bytes
    secret: bytes = field(repr=False)
    allowed: Path
    """Folder with the public keys of the clients that may call."""


@dataclass(frozen=True)
class ClientKeys:
    """What a robot needs."""

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes
    """Public key of the one server that is trusted."""


def new_keys(folder: Path, name: str = "robot") -> list[Path]:
    """Make a key pair for a client, and for the server where there is none yet; return the new files.

    Nothing is ever overwritten. Raises ServerError.
    """
    if not _NAME.fullmatch(name) or name == SERVER:
        raise ServerError(f"{name!r} cannot name a client; use letters, digits, - and _, and not {SERVER!r}")
    if (taken := folder / f"{name}.key_secret").exists() or (folder / ALLOWED / f"{name}.key").exists():
        raise ServerError(f"{taken} or its public key exists already; choose another --name")
    try:
        (folder / ALLOWED).mkdir(mode=0o700, parents=True, exist_ok=True)
        made = [] if (folder / f"{SERVER}.key_secret").exists() else _new_pair(folder, folder, SERVER)
        return made + _new_pair(folder, folder / ALLOWED, name)
    except OSError as error:
        raise ServerError(f"cannot make keys in {folder}: {error}; choose another --folder") from None


def server_keys(folder: Path) -> ServerKeys:
    """Read the server's side of a key folder. Raises ServerError."""
    public, secret = _load_secret(folder / f"{SERVER}.key_secret")
    allowed = folder / ALLOWED
    if not any(allowed.glob("*.key")):
        raise ServerError(f"no client's key is in {allowed}, so nobody could call; make one with `leash keys new`")
    return ServerKeys(public, secret, allowed)


def client_keys(folder: Path) -> ClientKeys:
    """Read a robot's side of a key folder: `server.key` and the one secret key that is not the server's."""
    secrets = sorted(path for path in folder.glob("*.key_secret") if path.stem != SERVER)
    if len(secrets) != 1:
        raise ServerError(
            f"{folder} has {len(secrets)} clients' secret keys; a robot has exactly one (`leash keys new`)"
        )
    public, secret = _load_secret(secrets[0])
    return ClientKeys(public, secret, _load(folder / f"{SERVER}.key")[0])


def _new_pair(secret_folder: Path, public_folder: Path, name: str) -> list[Path]:
    public, secret = zmq.curve_keypair()
    files = [public_folder / f"{name}.key", secret_folder / f"{name}.key_secret"]
    _write(files[0], f'curve\n    public-key = "{public.decode()}"\n')
    _write(files[1], f'curve\n    public-key = "{public.decode()}"\n    secret-key = "{secret.decode()}"\n')
    return files


def _write(path: Path, text: str) -> None:
    """Appear under its name complete and readable by the owner only, or not at all; never replace a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        publish(Path(temporary), path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _load_secret(path: Path) -> tuple[bytes, bytes]:
    public, secret = _load(path)
    if path.stat().st_mode & 0o077:
        raise ServerError(f"{path} can be read by others; run `chmod 600 {path}`")
    if secret is None:
        raise ServerError(f"{path} has no secret key; copy the whole file")
    return public, secret


def _load(path: Path) -> tuple[bytes, bytes | None]:
    remedy = f"make keys with `leash keys new --folder {path.parent}`, or name their folder with --keys"
    if not path.is_file():
        raise ServerError(f"there is no key {path}; {remedy}")
    try:
        return zmq.auth.load_certificate(path)
    except OSError as error:
        raise ServerError(f"cannot read the key {path}: {error.strerror}; {remedy}") from None
    except ValueError:
        raise ServerError(f"cannot read the key {path}: it is damaged, or no key; {remedy}") from None
