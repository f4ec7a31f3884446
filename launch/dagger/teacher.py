"""Who teaches in the rounds of DAgger: what every teacher is asked for, and the scripted one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from leash_robot.launch.dagger.collection import Supervise, collect
from leash_robot.launch.dagger.track import Arena, MakeGait
from leash_robot.launch.dagger.work import Report
from leash_robot.launch.reporting.progress_bar import progress_bar
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.types import Policy
from leash_robot.sim.envs.line_track import Track
from leash_robot.teleop.intervention.call_for_help import Limits

Method = Literal["hg", "thrifty", "classic"]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Lesson:
    """What is to be taught in a round."""

    folder: Path
    """Where the recordings go."""
    seeds: Sequence[int]
    """Of the tracks to drive."""
    title: str
    method: Method = "hg"
    make: Callable[[], Policy] | None = None
    """Makes the policy that is watched; None where tracks are demonstrated."""
    limits: Limits = field(default_factory=Limits)
    """From where on thrifty's policy asks for help."""
    share: float = 1.0
    """Part of the time that classic's person drives."""


class Teacher(Protocol):
    """Somebody who demonstrates and corrects."""

    @property
    def asked(self) -> Mapping[str, str]:
        """Options of theirs that the results depend on."""
        ...

    def teach(self, lesson: Lesson) -> list[Episode]:
        """Drive the tracks that are not yet driven; return all recordings of the lesson."""
        ...

    def working(self, what: str) -> AbstractContextManager[Report]:
        """While the block runs nobody is needed; what is yielded takes the part that is done, 0..1."""
        ...


class Scripted:
    """Fits `Teacher`: a script that knows the line."""

    def __init__(self, note: Note, gait: MakeGait = Trot, asked: Mapping[str, str] | None = None) -> None:
        self.asked: Mapping[str, str] = asked or {}
        self._note, self._gait = note, gait

    def teach(self, lesson: Lesson) -> list[Episode]:
        """Drive the tracks that are not yet driven, as fast as the machine can."""
        return collect(lesson.folder, lesson.seeds, _supervise(lesson), self._note, self._gait)

    def working(self, what: str) -> AbstractContextManager[Report]:
        """A bar at the terminal."""
        return progress_bar(what)


def demonstrate(arena: Arena, track: Track) -> Policy:
    """The scripted person drives all the way."""
    return arena.demonstrator(track)


def _supervise(lesson: Lesson) -> Supervise:
    make = lesson.make
    if make is None:
        return demonstrate

    def supervise(arena: Arena, track: Track) -> Policy:
        if lesson.method == "classic":
            return arena.alternated(track, make(), lesson.share)
        return (
            arena.answered(track, make(), lesson.limits) if lesson.method == "thrifty" else arena.watched(track, make())
        )

    return supervise
