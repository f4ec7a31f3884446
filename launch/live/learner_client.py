"""The learner beside a robot's loop: in its own process, or between the ticks of a lock-step robot."""

import contextlib
import importlib
import multiprocessing
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Protocol, Self

from leash_robot.launch.live.job import Job, Note
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Tick

if TYPE_CHECKING:
    pass

GRACE = 60.0
"""How long the learner may take for its last checkpoint [s]."""


class School(Protocol):
    """Fits `Log`: is there at every tick, and never takes longer than it may."""

    updates: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def prepare(self) -> None:
        """Wait until the first update takes no longer than any other. Raises PolicyError when the learner died."""
        ...

    def add(self, tick: Tick) -> None:
        """One more tick."""
        ...

    def tell(self, note: Note) -> None:
        """Say how it stands. Raises PolicyError when the learner gave up."""
        ...

    def end(self) -> None:
        """Write the last checkpoint. Raises PolicyError when that fails."""
        ...


class Apart:
    """Fits `School`: the learner's own process; this one needs no torch."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.updates = job.standing.updates if job.standing else 0
        self._waiting = self._over = False

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_teach, args=(self._job, theirs), name="learner", daemon=True)
        self._process.start()
        theirs.close()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def prepare(self) -> None:
        """Wait for the learner's first word."""
        try:
            self._heard()
        except (EOFError, OSError):
            raise self._died() from None

    def add(self, tick: Tick) -> None:
        """Nothing: the learner reads the replay."""

    def tell(self, note: Note) -> None:
        """Say it, unless the learner has not answered the last one; nothing here waits."""
        try:
            while self._pipe.poll():
                self._heard()
            if not self._waiting:
                self._pipe.send(note)
                self._waiting = True
        except (EOFError, OSError):
            raise self._died() from None

    def _died(self) -> PolicyError:
        self._process.join(1.0)
        self._over = True
        return PolicyError(f"the learner died (exit code {self._process.exitcode}); --resume goes on")

    def _heard(self) -> None:
        said = self._pipe.recv()
        self.updates, self._waiting, self._over = said.updates, False, said.last
        if said.failed:
            self._over = True
            raise PolicyError(said.failed)

    def end(self) -> None:
        """Ask for the last checkpoint, and wait for it. Nothing is asked of a learner that gave up, which was said."""
        if self._over:
            return
        try:
            self._pipe.send(None)
            while not self._over:
                if not self._pipe.poll(GRACE):
                    raise PolicyError(f"the learner wrote no last checkpoint in {GRACE:g} s; an earlier one is there")
                self._heard()
        except (EOFError, OSError):
            raise self._died() from None


def _teach(job: Job, pipe: Connection) -> None:
    """Note: imported here, so that only the learner's process holds torch."""
    importlib.import_module("leash_robot.launch.live.learner").teach(job, pipe)


class Between:
    """Fits `School`: as many updates after each tick as the plan says; the same again from the same seed."""

    def __init__(self, job: Job) -> None:
        from leash_robot.launch.live.learner import Tutor

        self.tutor: Tutor = Tutor(job)
        self.updates = self.tutor.learner.updates

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.tutor.__exit__()

    def prepare(self) -> None:
        """Become machine code."""
        self.tutor.learner.prepare()

    def add(self, tick: Tick) -> None:
        """Make the updates that are due."""
        due = self.tutor.due
        for _ in range(due):
            self.tutor.update()
        if due > 0:
            self.tutor.publish()
        self.updates = self.tutor.learner.updates

    def tell(self, note: Note) -> None:
        """Pass it on."""
        self.tutor.hear(note)

    def end(self) -> None:
        """Write the last checkpoint."""
        self.tutor.keep()
