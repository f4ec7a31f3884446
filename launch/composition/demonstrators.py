"""Opens the demonstrator of `leash dagger`: a script that knows the line, or a person in real time."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.tracks import MakeGait, TrackArena
from leash_robot.launch.reporting.output import warn
from leash_robot.launch.reporting.progress_bar import progress_bar
from leash_robot.launch.reporting.screen import Screen
from leash_robot.policies.imitation.collection import collect
from leash_robot.policies.imitation.demonstrator import CollectionRequest, Report
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.dataset.episode import Episode, load_dataset
from leash_robot.robot.dataset.tracks import all_recorded
from leash_robot.robot.logs import Logs
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Action, Policy, Tick
from leash_robot.sim.envs.line_track import Track, draw_track
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.intervention.call_for_help import Limits, refit
from leash_robot.teleop.session.standby import Standby
from leash_robot.teleop.session.track_session import PersonOptions, TrackTask, track_session


class ScriptedDemonstrator:
    """Fits `Demonstrator`: a script that knows the line, as fast as the computer can."""

    def __init__(
        self, note: Callable[[str], None], gait: MakeGait = Trot, options: Mapping[str, str] | None = None
    ) -> None:
        self.options: Mapping[str, str] = options or {}
        self._note, self._gait = note, gait

    def collect(self, request: CollectionRequest) -> list[Episode]:
        """Record the tracks that have no recording yet."""
        with TrackArena(gait=self._gait) as arena:

            def drive(seed: int, recorder: Recorder) -> str:
                track = draw_track(seed)
                return arena.drive(track, supervisor(arena, track, request), recorder).verdict

            return collect(request.folder, arena.spec, request.seeds, drive, self._note)

    def working(self, task: str) -> contextlib.AbstractContextManager[Report]:
        """A bar at the terminal."""
        return progress_bar(task)


def supervisor(arena: TrackArena, track: Track, request: CollectionRequest) -> Policy:
    """The upper policy that drives a track: the scripted person, alone or with the policy that they supervise."""
    if request.make is None:
        return arena.demonstrator(track)
    policy = request.make()
    if request.method == "classic":
        return arena.alternated(track, policy, request.share)
    return (
        arena.answered(track, policy, calls(request)) if request.method == "thrifty" else arena.watched(track, policy)
    )


def calls(request: CollectionRequest) -> Limits:
    """From where on thrifty's policy asks for help: fitted to its risk in the round before."""
    return Limits() if request.risks is None else refit(request.risks, request.ask)


class PersonDemonstrator:
    """Fits `Demonstrator`: a person at a page, a keyboard or a gamepad, in real time; use inside `with`.

    Asking for the end counts as Ctrl-C: it raises KeyboardInterrupt.
    """

    def __init__(
        self, who: OperatorOptions, folder: Path, gait: MakeGait = Trot, options: Mapping[str, str] | None = None
    ) -> None:
        """`folder` is where everything goes."""
        self.options: Mapping[str, str] = {"operator": "person", **(options or {})}
        self._who, self._folder = who, folder
        self._arena = TrackArena(gait=gait, realtime=True)
        self._status: Callable[[], Status] = Status

    def __enter__(self) -> Self:
        """Raises OperatorError when the device or the page cannot be opened."""
        with contextlib.ExitStack() as opening:
            self.cockpit = cockpit = opening.enter_context(open_cockpit(self._who, self._folder))
            self._operator = opening.enter_context(make_operator(self._who, 0, 0.0, 0, cockpit))
            opening.enter_context(self._arena)
            shown = (CockpitLog(cockpit, self._arena.spec, self._shown),) if cockpit else ()
            self._page = Logs(*shown)
            self._opened = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def collect(self, request: CollectionRequest) -> list[Episode]:
        """Let the person drive until every track has a recording that they keep."""
        if not all_recorded(request.folder, request.seeds):
            with track_session(self._arena, self._operator, task(request), self._person) as tracks:
                self._status = tracks.status
                session = tracks.session
                with Screen(lambda: session.status, session.enough) as screen:
                    go_on = tracks.run(self._page, views=[screen])
            if not go_on:
                raise KeyboardInterrupt
        return load_dataset(request.folder)

    @contextlib.contextmanager
    def working(self, task: str) -> Iterator[Report]:
        """A bar at the terminal, and the progress on the page."""
        done = 0.0
        self._status = lambda: Status(state="busy", hint=f"{task}: {done:.0%}")
        with progress_bar(task) as show, Standby(self._operator, self._page, self._still()) as standby:

            def report(part: float) -> None:
                nonlocal done
                done = part
                show(part)
                standby.check()

            yield report

    def _shown(self) -> Status:
        """What the page is to show now."""
        return self._status()

    @property
    def _person(self) -> PersonOptions:
        nice = load_plan("sim").processes.control.nice
        return PersonOptions(" ".join(self._who.operator), self._who.clock, self._who.lost, nice, warn)

    def _still(self) -> Tick:
        """A robot that stands where it is. Note: it was not read for long, which is no lateness."""
        robot, spec = self._arena.robot, self._arena.spec
        stand = Action(spec.stand.copy(), np.zeros(3), "hold")
        return Tick(replace(robot.observe(), late=0.0), stand, robot.send(stand))


def task(request: CollectionRequest) -> TrackTask:
    """The same for a person's session."""
    policy = None if request.make is None else request.make()
    asks = calls(request) if request.method == "thrifty" else None
    return TrackTask(request.folder, request.seeds, request.title, policy, asks)
