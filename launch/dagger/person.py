"""A living teacher for the rounds of DAgger: drives and watches in real time, at a page, a keyboard or a gamepad."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.dagger.progress import full
from leash_robot.launch.dagger.session import seated
from leash_robot.launch.dagger.teacher import Lesson
from leash_robot.launch.dagger.track import Arena, MakeGait
from leash_robot.launch.dagger.work import Meanwhile, Report
from leash_robot.launch.reporting.progress_bar import progress_bar
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.dataset.episode import Episode, load_dataset
from leash_robot.robot.logs import Logs
from leash_robot.robot.types import Action, Tick
from leash_robot.teleop.cockpit.log import CockpitLog
from leash_robot.teleop.cockpit.messages import Status


class Person:
    """Fits `Teacher`; use inside `with`. Asking for the end counts as Ctrl-C: it raises KeyboardInterrupt."""

    def __init__(
        self, who: OperatorOptions, folder: Path, gait: MakeGait = Trot, asked: Mapping[str, str] | None = None
    ) -> None:
        """`folder` is where everything goes."""
        self.asked: Mapping[str, str] = {"operator": "person", **(asked or {})}
        self._who, self._folder = who, folder
        self._arena = Arena(gait=gait, realtime=True)
        self._status: Callable[[], Status] = Status

    def __enter__(self) -> Self:
        """Raises OperatorError when the device or the page cannot be had."""
        with contextlib.ExitStack() as opening:
            self.cockpit = cockpit = opening.enter_context(open_cockpit(self._who, self._folder))
            self._operator = opening.enter_context(make_operator(self._who, 0, 0.0, 0, cockpit))
            opening.enter_context(self._arena)
            shown = (CockpitLog(cockpit, self._arena.spec, self._told),) if cockpit else ()
            self._page = Logs(*shown)
            self._opened = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def teach(self, lesson: Lesson) -> list[Episode]:
        """Let the person drive until every track of the lesson has a recording that they keep."""
        who = " ".join(self._who.operator)
        if not full(lesson.folder, lesson.seeds):
            with seated(self._arena, self._operator, lesson, self._who.clock, who, self._who.lost) as seat:
                self._status = seat.status
                go_on = seat.run(self._page)
            if not go_on:
                raise KeyboardInterrupt
        return load_dataset(lesson.folder)

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[Report]:
        """A bar at the terminal, and how far it is on the page."""
        done = 0.0
        self._status = lambda: Status(state="busy", hint=f"{what}: {done:.0%}")
        with progress_bar(what) as show, Meanwhile(self._operator, self._page, self._still()) as meanwhile:

            def report(part: float) -> None:
                nonlocal done
                done = part
                show(part)
                meanwhile.heed()

            yield report

    def _told(self) -> Status:
        """What the page is to show now."""
        return self._status()

    def _still(self) -> Tick:
        """A robot that stands where it is. Note: nobody was late, though long since nobody asked."""
        robot, spec = self._arena.robot, self._arena.spec
        stand = Action(spec.stand.copy(), np.zeros(3), "hold")
        return Tick(replace(robot.observe(), late=0.0), stand, robot.send(stand))
