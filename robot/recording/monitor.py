"""Says what goes wrong with a recording while it runs, and records single episodes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from leash_robot.robot.dataset.metadata import Reason
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Tick


class RecordingMonitor:
    """Fits `Log`: says what goes wrong with a recording as soon as it is known, each thing once."""

    def __init__(
        self, recorder: Recorder, say: Callable[[str], object], more: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """`say` receives the lines; `more` returns what else there is to say."""
        self.recorder = recorder
        self.losses: list[str] = []
        """What was not recorded, or not all of it."""
        self.why: tuple[Reason, str] = ("stopped", "")
        """Why the episode ended, and what exactly ended it; set by whoever ends it."""
        self._say, self._more = say, more
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Say what is new."""
        self.report()

    def report(self) -> None:
        """Say what is new, also after the recorder was closed."""
        status = self.recorder.status  # hears what the recorder says
        losses = [*self.recorder.cut_short.values(), *self.recorder.missing.values()]
        if status.dropped and status.index not in self.recorder.cut_short:
            losses.append(f"episode {status.index} has gaps: ticks were lost on the way to the recorder")
        self.losses += [line for line in losses if line not in self.losses]
        for line in (*losses, *filter(None, [status.error]), *self.recorder.notes, *self._more()):
            if line not in self._said:
                self._said.add(line)
                self._say(line)


@contextmanager
def one_episode(recorder: Recorder, say: Callable[[str], object]) -> Iterator[RecordingMonitor]:
    """Record one episode: ticks go to the recorder and then to what is yielded; `recorded_figures` says what came of
    it.
    """
    monitor = RecordingMonitor(recorder, say)
    with recorder:
        recorder.begin()
        yield monitor
        recorder.end("unlabelled", *monitor.why)
    monitor.report()


def recorded_figures(recorder: Recorder) -> dict[str, int]:
    """Of the last episode of a closed recorder: ticks `recorded` and `dropped`, and whether it was `cut_short`."""
    last = recorder.last
    ticks, dropped = (last.ticks, last.dropped) if last else (0, recorder.status.ticks)
    return {"recorded": ticks, "dropped": dropped, "cut_short": len(recorder.cut_short)}
