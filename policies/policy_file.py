"""Policy files: one .safetensors file whose metadata holds the manifest. Reading runs no code and needs no torch."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from leash_robot.policies.manifest import Manifest, from_json, to_json
from leash_robot.robot.errors import PolicyError

Weights = Mapping[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]

MAX_FILE = 64 * 2**20
"""[bytes]"""
MAX_HEADER = 2**20
"""Of the JSON at the beginning of the file [bytes]."""


def check_writable(path: Path) -> None:
    """Raise PolicyError when a policy could not be saved there, before anybody trains for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise PolicyError(f"cannot write a policy to {path}: {error.strerror or error}; give another --out") from None
    if path.exists():
        _check_replaceable(path)


def _check_replaceable(path: Path) -> None:
    """Raise PolicyError for a file that is no policy: a recording, say, which nobody meant to overwrite."""
    try:
        read_manifest(path)
    except PolicyError as error:
        raise PolicyError(f"{path} is there and would be replaced, but {error}; give another --out") from None


def save_policy(path: Path, manifest: Manifest, weights: Weights) -> Manifest:
    """Write a policy file, which appears complete or not at all; return the manifest with the weights' hash."""
    sealed = msgspec.structs.replace(manifest, weights=hash_weights(weights))
    data = save(dict(weights), metadata={"manifest": to_json(sealed).decode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return sealed


def read_manifest(path: Path) -> Manifest:
    """What a policy file says about itself; the weights stay unread. Raises PolicyError."""
    _check_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise PolicyError(f"{path} is no policy file: {error}") from None
    if set(metadata) != {"manifest"}:
        raise PolicyError(f"{path} is no policy file of leash: its metadata has {sorted(metadata)}, not `manifest`")
    try:
        return from_json(metadata["manifest"])
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def read_weights(path: Path, shapes: Shapes, manifest: Manifest) -> dict[str, NDArray[np.float32]]:
    """The weights, which must be exactly these: float32, finite, hashed as the manifest says. Raises PolicyError.

    Names, types and shapes are compared before anything of their size is allocated.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            _check_shapes(path, {name: file.get_slice(name) for name in file.offset_keys()}, shapes)
            weights = {name: file.get_tensor(name) for name in shapes}
    except (SafetensorError, OSError) as error:
        raise PolicyError(f"{path} is no policy file: {error}") from None
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise PolicyError(f"{path}: weight {name} is not finite; train the policy again")
    if hash_weights(weights) != manifest.weights:
        raise PolicyError(f"{path}: the weights are not those its manifest names; the file is damaged")
    return weights


def hash_weights(weights: Weights) -> str:
    """SHA-256 over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name}{weights[name].shape}".encode())
        digest.update(np.ascontiguousarray(weights[name], "<f4").tobytes())
    return digest.hexdigest()


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
            raise PolicyError(f"{path} is {kind}; give a policy file, as `leash train` writes it (.safetensors)")
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise PolicyError(f"cannot read {path}: {error.strerror}; give a policy file (.safetensors)") from None
    if status.st_size > MAX_FILE:
        raise PolicyError(f"{path} has {status.st_size} bytes; a policy file has at most {MAX_FILE}")
    if header > min(MAX_HEADER, status.st_size - 8):
        what = "it is empty" if status.st_size == 0 else "it is something else, or cut short"
        raise PolicyError(f"{path} is no policy file: {what}; give one that `leash train` wrote (.safetensors)")


def _check_shapes(path: Path, found: Mapping[str, Any], shapes: Shapes) -> None:
    if set(found) != set(shapes):
        odd = sorted(set(found) ^ set(shapes))
        raise PolicyError(f"{path}: its weights are not those of its network; {odd[:3]} differ")
    for name, part in found.items():
        kind, shape = part.get_dtype(), tuple(part.get_shape())
        if kind != "F32" or shape != shapes[name]:
            raise PolicyError(f"{path}: weight {name} is {kind} {shape}, not F32 {shapes[name]}")
