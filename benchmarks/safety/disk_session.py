"""One random recording session that says what it showed, line by line, until it ends or is killed."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import asdict

from leash_robot.launch.commands.deploy import terminable
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.dataset.takeovers import Stretch
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Source, Tick
from leash_robot.teleop.intervention.takeover import TakeoverStatus
from leash_robot.teleop.operator import Event, Intent
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionConfig
from leash_robot.teleop.session.files import LabelWriter, NoteWriter
from leash_robot.teleop.session.states import SessionState
from leash_robot.teleop.session.takeover_log import TakeoverLog, TakeoverWriter

PAUSE = 0.003
"""Between two ticks [s]."""
RUNNING = "unlabelled", "interrupted"
"""What an episode is on the disk if the program is killed while it runs."""
PRESSES: dict[SessionState, dict[tuple[Event, ...], float]] = {
    SessionState.IDLE: {(Event.START,): 0.2, (Event.START, Event.SUCCESS): 0.02, (Event.SUCCESS,): 0.01},
    SessionState.RECORDING: {
        (Event.STOP,): 0.02,
        (Event.SUCCESS,): 0.02,
        (Event.FAIL,): 0.02,
        (Event.DISCARD,): 0.01,
        (Event.ESTOP,): 0.01,
        (Event.UNDO,): 0.02,
        (Event.SUCCESS, Event.START): 0.01,
    },
    SessionState.STOPPED: {
        (Event.START,): 0.1,
        (Event.SUCCESS,): 0.05,
        (Event.FAIL,): 0.05,
        (Event.DISCARD,): 0.03,
        (Event.UNDO,): 0.05,
        (Event.START, Event.FAIL): 0.02,
    },
}
"""What is pressed in each state, and how likely at each tick."""


@dataclass
class Person:
    """What a random person does, and what a random policy and machine do to them."""

    random: np.random.Generator
    intent: Intent
    taken: TakeoverStatus
    notes: int = 0

    def press(self, state: SessionState, time: float) -> None:
        """Choose what is asked at this tick."""
        events: list[Event] = []
        for presses, likely in PRESSES.get(state, {}).items():
            if not events and self.random.random() < likely:
                events += presses
        if self.random.random() < 0.03:
            events.append(Event.NOTE)
            self.notes += 1
        self.intent = Intent(time, events=tuple(events), note=f"note {self.notes}")

    def hand_over(self) -> None:
        """Take over, or hand back, now and then."""
        if self.random.random() < (0.05 if self.taken.taken else 0.03):
            number, taken = self.taken.takeover_id + (not self.taken.taken), not self.taken.taken
            self.taken = TakeoverStatus(
                "human", number, taken=taken, reason="person", ended="" if taken else "handback"
            )


class Teller:
    """Writes lines about what was shown, each with its time, that outlive the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.recording: int | None = None
        """Number of the episode that is recorded, or was recorded last."""
        self.ended: int | None = None
        """Number of the one before."""
        self._last: dict[str, object] = {}
        self._episodes: dict[int, dict[str, object]] = {}

    def tell(self, kind: str, key: object, value: object) -> None:
        """Say that `kind` of `key` is `value` from now on, if it is news."""
        name = f"{kind} {key}"
        if self._last.get(name) != value:
            self._last[name] = value
            line = {"time": time.monotonic(), "kind": kind, "key": key, "value": value}
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")

    def show(self, index: int, facts: dict[str, object]) -> None:
        """Say what an episode is."""
        self._episodes[index] = facts
        self.tell("episode", index, facts)

    def judge(self, index: int, outcome: Outcome) -> None:
        """Say what an episode was called, though something else may be shown by the end of the tick."""
        if index in self._episodes:
            self.show(index, self._episodes[index] | {"outcome": outcome})


def session(folder: Path, seed: int, descriptor: int) -> None:
    """Run one session; how it ends is drawn. Raises what ended it, unless it was quit or killed."""
    random = np.random.default_rng(seed)
    end = str(random.choice(["quit", "quit", "exception", "ctrl-c", "sigterm", "kill", "kill later"]))
    person, teller = Person(random, Intent(0.0), TakeoverStatus()), Teller(descriptor)
    runs: list[Run] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(terminable())
        recorder = Recorder(folder, load_spec(), room=0, report=lambda line: None)

        def show() -> None:
            for run in runs:
                _show(run, recorder, teller)

        stack.callback(show)
        stack.enter_context(recorder)
        runs.append(_opened(stack, recorder, folder, person, teller))
        _drive(runs[0], recorder, person, teller, int(random.integers(40, 300)), end)
        _finish(end)


Run = tuple[EpisodeStateMachine, TakeoverLog]


def _opened(stack: contextlib.ExitStack, recorder: Recorder, folder: Path, person: Person, teller: Teller) -> Run:
    relabel = stack.enter_context(LabelWriter(folder, recorder.ids))
    note = stack.enter_context(NoteWriter(folder, recorder.ids))
    keeper = stack.enter_context(TakeoverWriter(folder, recorder.ids))

    def noted(index: int | None, seconds: float, text: str) -> None:
        note(index, seconds, text)
        teller.tell("note", text, index)

    def judged(index: int, outcome: Outcome) -> None:
        relabel(index, outcome)
        teller.judge(index, outcome)

    def kept(stretch: Stretch) -> None:
        keeper(stretch)
        key = f"{stretch.episode} {stretch.takeover} {stretch.first}"
        teller.tell("takeover", key, asdict(stretch))

    config = SessionConfig(longest=2.0, undo=1.5)
    made = EpisodeStateMachine(recorder, judged, lambda: person.intent, config, note=noted, cause=lambda: "drawn")
    log = TakeoverLog(stack.enter_context(made), lambda: person.taken, kept)
    return made, stack.enter_context(log)


def _show(run: Run, recorder: Recorder, teller: Teller) -> None:
    """Say what the session shows of its current and its last episode."""
    status = run[0].status
    if status.index is None:
        return
    recording = status.state is SessionState.RECORDING
    if recording and status.index != teller.recording:
        teller.ended, teller.recording = teller.recording, status.index
    ended = teller.ended if recording else status.index
    shown = {ended: (status.outcome, status.reason)} | ({status.index: RUNNING} if recording else {})
    for index, (outcome, reason) in shown.items():
        if index is not None:
            id = recorder.ids[f"episode_{index:06d}.mcap"]
            teller.show(index, {"id": id, "outcome": outcome, "reason": reason})


def _drive(run: Run, recorder: Recorder, person: Person, teller: Teller, count: int, end: str) -> None:
    robot, waited = FakeRobot(load_spec()), False
    robot.reset()
    for number in range(count):
        obs = robot.observe()
        person.press(run[0].status.state, obs.time)
        person.hand_over()
        if end == "quit" and number == count - 1:
            person.intent = Intent(obs.time, events=(Event.QUIT,))
        source: Source = "safety" if person.random.random() < 0.005 else "human"
        wanted = Action(robot.spec.stand, source=source)
        tick = Tick(obs, wanted, robot.send(wanted))
        for log in run:
            log.add(tick)
        _show(run, recorder, teller)
        if not waited and run[0].status.state is SessionState.RECORDING:
            waited = recorder.wait(30.0)  # its process is up from here on, as after a robot has stood up
        if person.random.random() < 0.004:
            with contextlib.suppress(ProcessLookupError):
                os.kill(recorder.process, signal.SIGKILL)
            teller.tell("recorder killed", number, value=True)
        time.sleep(PAUSE)


def _finish(end: str) -> None:
    """Note: a kill right after a press may cost what was pressed; one that comes a second later may not."""
    if end == "kill later":
        time.sleep(1.2)
    if end.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif end == "sigterm":
        os.kill(os.getpid(), signal.SIGTERM)
    elif end == "exception":
        raise RuntimeError("drawn")
    elif end == "ctrl-c":
        raise KeyboardInterrupt
