"""A training that can be resumed, in one file that appears complete or not at all; reading it runs no code.

Kept: every network with its targets, averages and Adam's moments, the temperature, the state of both random
generators, and all that the replays hold. Not kept: the episodes that were running; training goes on with new ones.
"""

import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.sac.config import Precision, with_current_keys
from leash_robot.robot.errors import PolicyError

Arrays = Mapping[str, NDArray[Any]]

LARGEST = 8 * 2**30
"""[bytes]"""


class CheckpointInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint says about itself."""

    spec_hash: str
    plan: str
    """The whole plan, as JSON."""
    updates: int
    steps: tuple[int, ...]
    """Of each collector."""
    episodes: int
    minutes: float
    """Wall clock spent."""
    rng: str = ""
    """State of the generator that draws batches, as JSON."""
    best: float | None = None
    """Score of the best snapshot as it was evaluated then, once there is one; resuming evaluates the policy anew."""
    precision: Precision = "float32"
    """Of the learner's products."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training to go on with."""

    info: CheckpointInfo
    arrays: dict[str, NDArray[Any]]
    """`learner.*` as `Learner.arrays`, `luck`, the rows of replays, `online.N.*` and `shown.N.*`, and in lock-step
    `commands`, how those of late went."""

    def part(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays whose names begin with `name` and a dot, without it."""
        return {key[len(name) + 1 :]: value for key, value in self.arrays.items() if key.startswith(f"{name}.")}

    def without_buffers(self) -> "Checkpoint":
        """The same without the rows of replays."""
        rows = ("online.", "shown.")
        return Checkpoint(self.info, {name: row for name, row in self.arrays.items() if not name.startswith(rows)})

    def refill(self, kind: str, replays: Sequence[ReplayBuffer]) -> None:
        """Spread the rows that replays of this kind (`online`, `shown`) held over empty ones, be they more or fewer."""
        many = len({key.split(".")[1] for key in self.arrays if key.startswith(f"{kind}.")})
        for number, replay in enumerate(replays):
            for other in range(number, many, len(replays)):
                replay.refill(self.part(f"{kind}.{other}"))


def save_checkpoint(
    path: Path,
    standing: CheckpointInfo,
    arrays: Arrays,
    online: Sequence[ReplayBuffer] = (),
    shown: Sequence[ReplayBuffer] = (),
) -> None:
    """Write it beside the last one, then put it in its place. Raises PolicyError, and keeps the last, if it cannot."""
    held = {
        f"{kind}.{number}.{name}": rows
        for kind, replays in (("online", online), ("shown", shown))
        for number, replay in enumerate(replays)
        for name, rows in replay.held().items()
    }
    metadata = {"standing": msgspec.json.encode(standing).decode()}
    whole = {name: np.asarray(array, order="C") for name, array in {**arrays, **held}.items()}
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        os.close(handle)
        save_file(whole, temporary, metadata=metadata)
        with Path(temporary).open("rb+") as file:
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except (OSError, SafetensorError) as error:
        kept = f"; {path} still holds the last one" if path.exists() else ""
        raise PolicyError(f"cannot write the checkpoint {path}: {error}{kept}; make room and --resume") from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def load_checkpoint(path: Path, spec_hash: str) -> Checkpoint:
    """Read it. Raises PolicyError when it is damaged, or of another robot or another state of this one."""
    try:
        if path.stat().st_size > LARGEST:
            raise PolicyError(f"{path} has {path.stat().st_size} bytes; a checkpoint has at most {LARGEST}")
        with safe_open(path, framework="numpy") as file:
            said = (file.metadata() or {}).get("standing", "")
            standing = msgspec.json.decode(said, type=CheckpointInfo)
            if standing.spec_hash != spec_hash:
                raise PolicyError(
                    f"{path} was trained for spec {standing.spec_hash}, this one is {spec_hash}; start anew"
                )
            arrays = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise PolicyError(f"cannot read the checkpoint {path}: {error}") from None
    return Checkpoint(standing, arrays)


def check_same(
    path: Path,
    standing: CheckpointInfo,
    plan: msgspec.Struct,
    free: Collection[str],
    translate: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> None:
    """Raise PolicyError unless the plan is the one that the checkpoint was written with, but for the `free` entries.

    Experience is valid only with the action scale, the features and the rewards it came from. `translate` turns the
    plan of an earlier version into one of today.
    """
    try:  # what the plan did not know yet is as if left out
        said = translate(with_current_keys(msgspec.json.decode(standing.plan)))
        earlier = msgspec.convert({name: said[name] for name in said if name not in free}, type(plan))
    except msgspec.MsgspecError as error:
        raise PolicyError(f"{path} was trained with a plan that means nothing now ({error}); start anew") from None
    before, now = (msgspec.json.decode(msgspec.json.encode(each)) for each in (earlier, plan))
    for name in now:
        if name not in free and before.get(name) != now[name]:
            was, is_ = _apart(name, before.get(name), now[name])
            raise PolicyError(f"{path} was trained with {was}, this plan says {is_}; give the same, or start anew")


def _apart(name: str, before: object, now: object) -> tuple[str, str]:
    """The first entry in which two values differ, in the words of the file."""
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in {**before, **now} if before.get(key) != now.get(key))
        return _apart(f"{name}.{key}", before.get(key), now.get(key))
    return f"{name} {msgspec.json.encode(before).decode()}", msgspec.json.encode(now).decode()


def generator_state(rng: np.random.Generator) -> str:
    """The state of a generator as JSON; its integers are longer than JSON's usual ones, so they are words."""
    return msgspec.json.encode(_worded(rng.bit_generator.state)).decode()


def resume_generator(rng: np.random.Generator, state: str) -> None:
    """Put a generator where `generator_state` found another."""
    rng.bit_generator.state = msgspec.convert(_numbered(msgspec.json.decode(state)), dict[str, Any])


def _worded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _worded(item) for key, item in value.items()}
    return f"#{value}" if isinstance(value, int) else value


def _numbered(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _numbered(item) for key, item in value.items()}
    return int(value[1:]) if isinstance(value, str) and value.startswith("#") else value
