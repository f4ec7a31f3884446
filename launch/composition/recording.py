"""The recorder of an opened robot, as its plan has it, and what a person must hear of it while it runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.reporting.output import console
from leash_robot.robot.dataset.metadata import Reason
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Tick


def recorder_of(opened: Opened, folder: Path, info: Mapping[str, str]) -> Recorder:
    """A recorder, to be entered, that keeps `info` (task, operator, policy) in every episode."""
    nice = opened.plan.processes.recorder.nice
    return Recorder(folder, opened.spec, calibration_hash=opened.calibration.hash, info=info, nice=nice, report=say)


def say(line: str) -> None:
    """Tell the person what goes wrong, or what is waited for."""
    console.print(line, style="bold red", highlight=False, markup=False, soft_wrap=True)


class Crier:
    """Fits `Log`: says on standard error what goes wrong with a recording as soon as it is known, each thing once."""

    def __init__(self, recorder: Recorder, more: Callable[[], Iterable[str]] = tuple) -> None:
        """`more` returns what else there is to say."""
        self.recorder = recorder
        self.losses: list[str] = []
        """What was not recorded, or not all of it."""
        self.why: tuple[Reason, str] = ("stopped", "")
        """Why the episode ended, and what exactly ended it, for who knows."""
        self._more = more
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Say what is new."""
        self.cry()

    def cry(self) -> None:
        """Say what is new, also after the recorder was closed."""
        status = self.recorder.status  # hears what the recorder says
        losses = [*self.recorder.cut_short.values(), *self.recorder.missing.values()]
        if status.dropped and status.index not in self.recorder.cut_short:
            losses.append(f"episode {status.index} has gaps: ticks were lost on the way to the recorder")
        self.losses += [line for line in losses if line not in self.losses]
        for line in (*losses, *filter(None, [status.error]), *self.recorder.notes, *self._more()):
            if line not in self._said:
                self._said.add(line)
                say(line)


@contextmanager
def one_episode(recorder: Recorder) -> Iterator[Crier]:
    """One recorded episode: ticks go to the recorder and then to what is yielded; `taped` says what came of it."""
    crier = Crier(recorder)
    with recorder:
        recorder.begin()
        yield crier
        recorder.end("unlabelled", *crier.why)
    crier.cry()


def taped(recorder: Recorder) -> dict[str, int]:
    """Of the last episode of a closed recorder: ticks `recorded` and `dropped`, and whether it was `cut_short`."""
    last = recorder.last
    ticks, dropped = (last.ticks, last.dropped) if last else (0, recorder.status.ticks)
    return {"recorded": ticks, "dropped": dropped, "cut_short": len(recorder.cut_short)}
