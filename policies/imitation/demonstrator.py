"""What the rounds of DAgger need of others: who demonstrates and corrects, and who lets a policy drive by itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.types import Array, Policy

Method = Literal["hg", "thrifty", "classic"]
Report = Callable[[float], None]
"""Receives the part of a piece of work that is done, 0..1."""


@dataclass(frozen=True)
class CollectionRequest:
    """What is to be recorded in a round."""

    folder: Path
    """Where the recordings go."""
    seeds: Sequence[int]
    """The tracks to drive, by their seeds."""
    title: str
    method: Method = "hg"
    make: Callable[[], Policy] | None = None
    """Makes the policy that is supervised; None where tracks are demonstrated."""
    risks: Array | None = None
    """(T,) the policy's risk in the round before, which thrifty's threshold is fitted to; None where there is none."""
    ask: float = 0.1
    """Part of the time in which thrifty's policy shall ask for help."""
    share: float = 1.0
    """Part of the time that classic's expert drives."""


class Demonstrator(Protocol):
    """A script or a person that demonstrates and corrects."""

    @property
    def options(self) -> Mapping[str, str]:
        """Options of the demonstrator that the results depend on."""
        ...

    def collect(self, request: CollectionRequest) -> list[Episode]:
        """Record the tracks that have no recording yet; return all recordings of the request."""
        ...

    def working(self, task: str) -> AbstractContextManager[Report]:
        """While the block runs the demonstrator only waits; what is yielded receives the progress of the task."""
        ...


class RolloutResult(Protocol):
    """How a policy drove one track by itself."""

    @property
    def seed(self) -> int:
        """Of the track."""
        ...

    @property
    def verdict(self) -> str:
        """`completed`, `fell`, or another reason why it ended."""
        ...

    @property
    def progress(self) -> float:
        """Part of the track that was behind the robot when it ended, 0..1."""
        ...

    @property
    def off(self) -> float:
        """Root mean square distance from the line [m]."""
        ...


R_co = TypeVar("R_co", bound=RolloutResult, covariant=True)


class Rollout(Protocol[R_co]):
    """Lets policies drive tracks by themselves."""

    def attempt(self, file: Path, seeds: Sequence[int]) -> Iterator[Sequence[R_co]]:
        """Let the policy in a file drive the tracks of these seeds; yields some results at a time."""
        ...
