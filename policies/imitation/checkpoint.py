"""A training by imitation that was interrupted, in one file: enough to go on as if nothing had happened."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from leash_robot.policies.imitation.holdout import identity
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Array

Arrays = dict[str, NDArray[Any]]

LARGEST = 2**30
"""[bytes]"""


def checkpoint_of(out: Path) -> Path:
    """The file that keeps the training of the policy `out` while it is interrupted."""
    return out.with_name(f"{out.stem}.checkpoint.safetensors")


class Begun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training was begun with; only the same goes on from where it ended."""

    options: dict[str, Any]
    episodes: int
    data: str
    """Hash of the episodes' ids and of how much each tick counts."""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a training stands, but for its arrays."""

    begun: Begun
    step: int
    more: dict[str, Any] = {}
    """What only this kind of training knows."""


@dataclass(frozen=True, eq=False)
class Interrupted:
    """A training to go on with."""

    facts: Facts
    arrays: Arrays

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """The arrays whose names begin with `name` and a dot, without it, as tensors."""
        found = {
            key.removeprefix(f"{name}."): array for key, array in self.arrays.items() if key.startswith(f"{name}.")
        }
        return {key: torch.from_numpy(array.copy()) for key, array in found.items()}


@dataclass(frozen=True, eq=False)
class Control:
    """How a training is watched and ended early."""

    report: Callable[[int, float], None] = lambda step, loss: None
    """Is told the step and its loss."""
    stop: Callable[[], bool] = lambda: False
    """Asked after each step whether to end now."""
    resume: Interrupted | None = None
    """Where to go on."""


def begun(options: object, episodes: Sequence[Episode], weights: Sequence[Array]) -> Begun:
    """What a training with these options on these episodes is begun with."""
    digest = hashlib.blake2b(digest_size=16)
    for episode, weight in zip(episodes, weights, strict=True):
        digest.update(identity(episode).encode())
        digest.update(np.ascontiguousarray(weight, "<f8").tobytes())
    asked: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(options))
    return Begun(asked, len(episodes), digest.hexdigest())


def check_same(before: Begun, now: Begun) -> None:
    """Raise PolicyError, naming what differs, unless a training was begun with the same.

    Options that the version did not have that began it count as the same.
    """
    before = msgspec.structs.replace(before, options=_completed(before.options, now.options))
    for name, was, is_ in _differing(before.options, now.options):
        raise PolicyError(
            f"the interrupted training was begun with {name} {was}, this is {is_}; give the same, or start anew"
        )
    if before != now:
        raise PolicyError(
            f"the interrupted training was begun with other recordings or weights ({before.episodes} episodes, now"
            f" {now.episodes}); give the same, or start anew"
        )


def _completed(before: dict[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Options with those of `now` where they are missing."""
    inner = {key: _completed(was, now[key]) for key, was in before.items() if isinstance(was, dict) and key in now}
    return {**now, **before, **inner}


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Adam's moments and step counts."""
    states = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, state in states.items() for name, value in state.items()}


def resume_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, torch.Tensor]) -> None:
    """Put an optimizer where `optimizer_arrays` found another."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in arrays.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def collected(**parts: Mapping[str, torch.Tensor]) -> Arrays:
    """Copies of the tensors of several parts, named as `Interrupted.part` finds them."""
    return {
        f"{part}.{name}": value.detach().cpu().numpy().copy()
        for part, held in parts.items()
        for name, value in held.items()
    }


def save_interrupted(path: Path, held: Interrupted) -> None:
    """Write it beside the last one, then put it in its place. Raises PolicyError."""
    handle, temporary = -1, ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        os.close(handle)
        whole = {name: np.asarray(array, order="C") for name, array in held.arrays.items()}
        save_file(whole, temporary, metadata={"interrupted": msgspec.json.encode(held.facts).decode()})
        with Path(temporary).open("rb+") as file:
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"cannot write {path}: {error}; make room, and train again") from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def load_interrupted(path: Path) -> Interrupted:
    """Read it. Raises PolicyError when there is none, or it is damaged."""
    try:
        if path.stat().st_size > LARGEST:
            raise PolicyError(f"{path} has {path.stat().st_size} bytes; an interrupted training has at most {LARGEST}")
        with safe_open(path, framework="numpy") as file:
            facts = msgspec.json.decode((file.metadata() or {}).get("interrupted", ""), type=Facts)
            return Interrupted(facts, {name: file.get_tensor(name) for name in file.offset_keys()})
    except FileNotFoundError:
        raise PolicyError(f"there is no interrupted training at {path}; start one without --resume") from None
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise PolicyError(f"cannot go on from {path}: {error}; start anew without --resume") from None


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> list[tuple[str, object, object]]:
    found: list[tuple[str, object, object]] = []
    for name in {**before, **now}:
        was, is_ = before.get(name), now.get(name)
        if isinstance(was, dict) and isinstance(is_, dict):
            found += _differing(was, is_, f"{within}{name}.")
        elif was != is_:
            found.append((within + name, was, is_))
    return found
