"""`leash collect`: drive a robot and record demonstrations, episode after episode, into one folder."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from launch.brain import needs_imu, open_brain
from launch.cockpit import Panel, open_cockpit
from launch.deploy import terminable
from launch.lateness import Lateness
from launch.logs import Logs
from launch.operators import OperatorOptions, make_operator
from launch.output import console, emit
from launch.priority import first_in_line
from launch.recording import recorder_of
from launch.robots import Opened, RobotOptions, open_robot
from launch.screen import Screen
from policies.dart import Noise
from robot.episode import list_episodes, read_episode
from robot.episode_info import Outcome
from robot.episode_labels import add_label
from robot.errors import EpisodeError
from robot.loop import run
from robot.recorder import Recorder
from robot.types import Log, Policy, Tick
from teleop.drive import Drive
from teleop.session import Session, SessionConfig
from teleop.session_states import State


@dataclass(frozen=True)
class Collect:
    """Drive a robot and record demonstrations: `leash collect data/walk --robot twin --operator keyboard`.

    The same command goes on where it left off.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """Where the episodes go."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    who: Annotated[OperatorOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=OperatorOptions)
    policy: str = "trot"
    """What walks while the operator says where to: `trot`, a policy file, or a server's endpoint."""
    episodes: int = 10
    """How many episodes the folder shall hold, those from earlier included and discarded ones not counted."""
    seconds: float = 60.0
    """Longest episode; a scripted operator drives each this long."""
    disturb: float = 0.0
    """Deviation of noise on the targets that go out, so that recoveries are recorded too; the intention recorded
    beside it stays clean [rad]."""
    task: str = ""
    """A few words that are kept with each episode."""
    json: bool = False
    """Print one JSON object on the last line."""


REFUSED = 3
"""A gate that answers late is not a gate that stopped the robot; one that refuses so many ticks in a row is."""


@dataclass
class Rig:
    """What one collection runs on."""

    opened: Opened
    drive: Drive
    policy: Policy
    """The drive, disturbed if that was asked for."""
    session: Session
    lateness: Lateness
    enough: int
    live: bool
    refused: int = 0
    """For how many ticks in a row nothing went out."""

    def over(self, tick: Tick) -> bool:
        """Whether the loop must be left: everything is recorded, or the robot has to be made ready again."""
        self.refused = self.refused + 1 if tick.sent.source == "safety" else 0
        referee = self.opened.referee
        fallen = referee is not None and referee.truth().fallen
        if fallen or tick.wanted.source == "safety" or self.refused >= REFUSED:
            self._stop()
        return self.drive.rearmed or self.complete

    def _stop(self) -> None:
        """Note: nobody is there to see to a robot that a script drives, so a simulated one is stood up at once."""
        if not self.drive.stopped:
            self.drive.stop()
            if not self.live and self.opened.referee is not None:
                self.drive.rearm()

    @property
    def complete(self) -> bool:
        """Whether the operator quit, or enough episodes are recorded and the last label is final."""
        status = self.session.status
        full = status.kept >= self.enough and status.state is State.IDLE
        return status.state is State.DONE or full

    def ready(self) -> None:
        """Stand the robot up; a simulated one that fell is set on its feet first."""
        if self.drive.rearmed:
            self.opened.rearm()
        referee = self.opened.referee
        if referee is not None and referee.truth().fallen:
            referee.place()
        self.opened.robot.reset()


def main(args: list[str]) -> int:
    """Collect until there are enough episodes, the operator quits, or somebody presses Ctrl-C."""
    config = tyro.cli(Collect, prog="leash collect", args=args)
    figures = collect(config)
    if config.json:
        emit(figures)
    else:
        console.print(" · ".join(f"{key} {_short(value)}" for key, value in figures.items()))
    return 0


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def collect(config: Collect) -> dict[str, object]:
    """Run a session; returns its figures. Ctrl-C closes the running episode and stops the robot softly."""
    counts = outcomes(config.folder)
    kept = counts.total() - counts["discarded"]
    script = (max(0, config.episodes - kept), config.seconds, config.robot.seed + kept)
    with contextlib.ExitStack() as stack:
        stack.enter_context(terminable())
        cockpit = stack.enter_context(open_cockpit(config.who, config.folder))
        operator = stack.enter_context(make_operator(config.who, *script, cockpit))
        imu = needs_imu(config.policy, config.robot)
        opened = stack.enter_context(open_robot(config.robot, needs_imu=imu, realtime=config.who.live))
        brain = stack.enter_context(open_brain(config.policy, opened.spec, opened.plan))
        recorder = stack.enter_context(_recorder(config, opened))
        drive = Drive(operator, brain.policy, clock=config.who.clock)
        disturbed = Noise(drive, config.disturb, seed=config.robot.seed)
        limits = SessionConfig(opened.spec.rate, config.seconds if config.who.live else 2 * config.seconds)
        relabel = stack.enter_context(_relabelling(config.folder))
        session = stack.enter_context(Session(recorder, relabel, lambda: drive.intent, limits, counts))
        rig = Rig(opened, drive, disturbed, session, Lateness(opened.spec.period), config.episodes, config.who.live)
        stack.callback(_keep_notes, config.folder, session)
        stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        panel = Panel(opened, brain, drive, session, recorder, config.policy, config.episodes)
        with contextlib.suppress(KeyboardInterrupt):
            _run(rig, *panel.log(cockpit))
        stops = opened.gate_stops()
    return {"folder": str(config.folder), **_figures(rig), "gate_stops": stops}


def _run(rig: Rig, *views: Log) -> None:
    with Screen(lambda: rig.session.status, rig.enough) as screen:
        while not rig.complete:
            rig.ready()
            run(rig.opened.robot, rig.policy, Logs(rig.session, rig.lateness, screen, *views), done=rig.over)


def _recorder(config: Collect, opened: Opened) -> Recorder:
    info = {"task": config.task, "operator": " ".join(config.who.operator), "policy": config.policy}
    return recorder_of(opened, config.folder, info)


@contextlib.contextmanager
def _relabelling(folder: Path) -> Iterator[Callable[[int, Outcome], None]]:
    """Write second thoughts beside the loop, for each waits on the disk."""
    with ThreadPoolExecutor(1) as writer:

        def relabel(index: int, outcome: Outcome) -> None:
            writer.submit(add_label, folder / f"episode_{index:06d}.mcap", outcome)

        yield relabel


def _keep_notes(folder: Path, session: Session) -> None:
    """Append what was noted to notes.jsonl beside the episodes: episode, seconds into it, text."""
    rows = [{"episode": index, "seconds": seconds, "text": text} for index, seconds, text in session.notes]
    if rows:
        with (folder / "notes.jsonl").open("ab") as file:
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def outcomes(folder: Path) -> Counter[Outcome]:
    """How many finished episodes of each outcome a folder holds; damaged ones do not count."""
    counts: Counter[Outcome] = Counter()
    for path in list_episodes(folder) if folder.exists() else []:
        with contextlib.suppress(EpisodeError):
            counts[read_episode(path).outcome] += 1
    return counts


def _figures(rig: Rig) -> dict[str, object]:
    """Episodes in the folder by outcome, and how punctual the loop was."""
    status = rig.session.status
    figures: dict[str, object] = {"episodes": status.kept}
    figures |= {str(outcome): count for outcome, count in status.counts.items()}
    return figures | (rig.lateness.figures() if rig.lateness.late.size else {})
