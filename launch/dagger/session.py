"""A person's place at a round's tracks: robot, recorder, session and whoever decides, around the loop."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from leash_robot.launch.commands.intervene import Between
from leash_robot.launch.composition.cockpit import Panel
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.recording import Crier, say
from leash_robot.launch.composition.robots import Opened
from leash_robot.launch.composition.session import Rig
from leash_robot.launch.dagger.guide import Guide, Usher
from leash_robot.launch.dagger.progress import TrackBook, recorded
from leash_robot.launch.dagger.stage import TrackStage
from leash_robot.launch.dagger.teacher import Lesson
from leash_robot.launch.dagger.track import Arena
from leash_robot.policies.hierarchical import Helm
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.clock import Clock
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Log
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig, TakeoverStatus
from leash_robot.teleop.operator import LOST, Operator
from leash_robot.teleop.session.files import Noter, Relabel
from leash_robot.teleop.session.session import Session, SessionConfig
from leash_robot.teleop.session.takeover_log import Keeper, TakeoverLog

SILENT = Limits(risk=math.inf, tilt=math.inf)
"""A policy that never calls: somebody watches all the time."""
READY = {
    "demonstration": "hold to drive along the line to its end.",
    "hg": "START (Record) lets the policy drive; hold to take over when it strays, then hand back.",
    "thrifty": "START (Record) lets the policy drive; hold to take over when it strays or calls, then hand back.",
}
"""What to do at the start of a track."""


@dataclass(frozen=True)
class Seat:
    """Everything that one person's lesson runs on."""

    rig: Rig
    book: TrackBook
    stage: TrackStage
    logs: tuple[Log, ...]
    """What must see the ticks after the session."""
    guide: Guide
    status: Callable[[], Status]
    """What the page is to show."""

    def run(self, *beside: Log) -> bool:
        """Loop until every track is driven, the person quits, or Ctrl-C; pages stand `beside`.

        Returns whether to go on: all is driven, and nobody asked for the end.
        """
        # Note: the guide comes last, for it may send the robot away.
        self.rig.run(*self.logs, *beside, self.guide)
        return self.book.full and self.rig.complete and not self.guide.quit


@contextlib.contextmanager
def seated(
    arena: Arena, operator: Operator, lesson: Lesson, clock: Clock | None = None, who: str = "", lost: float = LOST
) -> Iterator[Seat]:
    """Open a recording session at the arena; `clock` stamps the operator's device, and None takes the simulator's.
    The person may be silent for `lost` seconds.

    Raises EpisodeError.
    """
    lesson.folder.mkdir(parents=True, exist_ok=True)
    spec, plan = arena.spec, load_plan("sim")
    info = {"task": "track", "operator": who, "policy": lesson.title}
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(Recorder(lesson.folder, spec, info=info, report=say))
        relabel = stack.enter_context(Relabel(lesson.folder, recorder.ids))
        note = stack.enter_context(Noter(lesson.folder, recorder.ids))
        book = TrackBook(recorder, relabel, lesson.seeds, recorded(lesson.folder))
        stage = TrackStage(arena, book)
        drive = Drive(Usher(operator, lambda: book.recording), Helm(spec), clock=clock, lost=lost)
        takeover = _shared(lesson, drive, arena)
        guide = Guide(stage, book, drive, READY["demonstration" if takeover is None else lesson.method])
        limits = SessionConfig(spec.rate, unjudged="discarded")
        session = stack.enter_context(Session(book, book.judge, guide.intent, limits, book.counts, note))
        if clock is not None:
            stack.enter_context(first_in_line(plan.processes.control.nice))
        opened = Opened(stage, spec, plan, Calibration.identity(spec))
        crier = Crier(recorder, lambda: [*relabel.lost, *note.lost, *session.refusals])
        policy = arena.steered(drive if takeover is None else takeover)
        rig = Rig(opened, drive, policy, session, Lateness(spec.period), book.wanted, live=True)
        rig.name, rig.recorder, rig.aloud, rig.hint = lesson.title, recorder, crier, guide.hint
        logs, panel = stack.enter_context(_watched(rig, book, takeover, lesson))
        yield Seat(rig, book, stage, logs, guide, panel.status)
    crier.cry()


def _shared(lesson: Lesson, drive: Drive, arena: Arena) -> Takeover | None:
    """The policy and the person; None where the person demonstrates."""
    if lesson.make is None:
        return None
    limits = lesson.limits if lesson.method == "thrifty" else SILENT
    return Takeover(lesson.make(), drive, arena.spec, TakeoverConfig(level="command", begin="nobody", limits=limits))


@contextlib.contextmanager
def _watched(
    rig: Rig, book: TrackBook, takeover: Takeover | None, lesson: Lesson
) -> Iterator[tuple[tuple[Log, ...], Panel]]:
    """What notes takeovers and shows them; a policy calls only while it drives."""
    if takeover is None:
        yield (), Panel(rig)
        return

    def status() -> TakeoverStatus:
        return takeover.status if book.recording else replace(takeover.status, request="")

    rig.request = lambda: status().request
    with Keeper(lesson.folder, rig.ids) as keeper, TakeoverLog(rig.session, status, keeper) as log:
        yield (log, Between(rig.session, takeover)), Panel(rig, status)
