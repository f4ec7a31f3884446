"""The learner beside a robot's loop: in its own process, or between the ticks of a robot in virtual time."""

import contextlib
import multiprocessing
from typing import Protocol, Self

from leash_robot.policies.rl.drivers.learner_process import (
    ActorMessage,
    LearnerJob,
    LearnerMessage,
    LearnerWorker,
    learn,
)
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Tick

GRACE = 60.0
"""How long the learner may take for its last checkpoint [s]."""


class LearnerClient(Protocol):
    """Fits `Log`: is called at every tick, and never takes longer than it may."""

    @property
    def updates(self) -> int:
        """Updates so far, as far as is known."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def prepare(self) -> None:
        """Wait until the first update takes no longer than any other. Raises PolicyError when the learner died."""
        ...

    def add(self, tick: Tick) -> None:
        """One more tick."""
        ...

    def tell(self, message: ActorMessage) -> None:
        """Send a message. Raises PolicyError when the learner gave up."""
        ...

    def end(self) -> None:
        """Write the last checkpoint. Raises PolicyError when that fails."""
        ...


class ProcessLearner:
    """Fits `LearnerClient`: the learner's own process; this one needs no torch."""

    def __init__(self, job: LearnerJob) -> None:
        self._job = job
        self.updates = job.resume.info.updates if job.resume else 0
        self._waiting = self._over = False

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=learn, args=(self._job, theirs), name="learner", daemon=True)
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
        """Wait for the learner's first message."""
        try:
            self._receive()
        except (EOFError, OSError):
            raise self._died() from None

    def add(self, tick: Tick) -> None:
        """Nothing: the learner reads the replay."""

    def tell(self, message: ActorMessage) -> None:
        """Send it, unless the learner has not answered the last one; nothing here waits."""
        try:
            while self._pipe.poll():
                self._receive()
            if not self._waiting:
                self._pipe.send(message)
                self._waiting = True
        except (EOFError, OSError):
            raise self._died() from None

    def _died(self) -> PolicyError:
        self._process.join(1.0)
        self._over = True
        return PolicyError(f"the learner died (exit code {self._process.exitcode}); --resume goes on")

    def _receive(self) -> None:
        answer: LearnerMessage = self._pipe.recv()
        self.updates, self._waiting, self._over = answer.updates, False, answer.last
        if answer.failed:
            self._over = True
            raise PolicyError(answer.failed)

    def end(self) -> None:
        """Request the last checkpoint, and wait for it. Nothing is requested of a learner that gave up and said so."""
        if self._over:
            return
        try:
            self._pipe.send(None)
            while not self._over:
                if not self._pipe.poll(GRACE):
                    raise PolicyError(f"the learner wrote no last checkpoint in {GRACE:g} s; an earlier one is there")
                self._receive()
        except (EOFError, OSError):
            raise self._died() from None


class InlineLearner:
    """Fits `LearnerClient`: exactly the updates that are due after each tick; the same again from the same seed."""

    def __init__(self, job: LearnerJob) -> None:
        self._worker = LearnerWorker(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._worker.__exit__()

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self._worker.trainer.algorithm.updates

    def prepare(self) -> None:
        """Compile."""
        self._worker.prepare()

    def add(self, tick: Tick) -> None:
        """Make the updates that are due."""
        updates = self.updates
        while self._worker.step():
            pass
        if self.updates > updates:
            self._worker.trainer.publish()

    def tell(self, message: ActorMessage) -> None:
        """Pass it on."""
        self._worker.answer(message)

    def end(self) -> None:
        """Write the last checkpoint."""
        self._worker.save()
