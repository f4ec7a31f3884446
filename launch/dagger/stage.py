"""A simulated robot that is put on one track after another, as a `Robot`."""

from typing import Self

from leash_robot.launch.dagger.progress import TrackBook
from leash_robot.launch.dagger.track import Arena
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Observation
from leash_robot.sim.envs.line_track import TrackReferee, draw_track


class TrackStage:
    """Fits `Robot`: `reset` stands it up at the start of the track whose turn it is. The arena is its owner's."""

    def __init__(self, arena: Arena, book: TrackBook) -> None:
        self._arena, self._book = arena, book
        self._track = draw_track(book.seed)
        self.referee: TrackReferee = arena.set_out(self._track)
        """Who follows the robot along this track, once it has begun."""

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._arena.spec

    @property
    def seed(self) -> int:
        """Of the track that the robot is on."""
        return self._track.seed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def reset(self) -> None:
        """Stand at the start."""
        if self._track.seed != self._book.seed:
            self._track = draw_track(self._book.seed)
        self.referee = self._arena.set_out(self._track)

    def rest(self) -> None:
        """Lie down where it is."""
        self._arena.robot.rest()

    def observe(self) -> Observation:
        """What the robot senses at the next tick."""
        return self._arena.robot.observe()

    def send(self, action: Action) -> Action:
        """Carry out an action; return what went out."""
        return self._arena.robot.send(action)
