"""Opens a recording session at a robot: the robot, the policy, the recorder, and whoever may stop the robot."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.launch.composition.policies import (
    PolicyHandle,
    gait_needs_imu,
    name_slow_cameras,
    needs_imu,
    open_policy,
    steers,
)
from leash_robot.launch.composition.recording import recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.reporting.output import console, warn
from leash_robot.launch.reporting.screen import Screen
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.types import Log, Observation, Policy, Watch, unattended
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.brake import Brake
from leash_robot.teleop.cockpit.client import Cockpit
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.operator import Operator
from leash_robot.teleop.session.episodes import EpisodeStateMachine, SessionConfig
from leash_robot.teleop.session.files import full
from leash_robot.teleop.session.panel import Panel
from leash_robot.teleop.session.recording_session import RecordingSession, open_recording


class SessionOptions(Protocol):
    """The options that every recording session has."""

    @property
    def folder(self) -> Path:
        """Where the episodes go."""
        ...

    @property
    def robot(self) -> RobotOptions:
        """Which robot."""
        ...

    @property
    def who(self) -> OperatorOptions:
        """Who drives."""
        ...

    @property
    def policy(self) -> str:
        """`trot`, a policy file, or a server's endpoint."""
        ...

    @property
    def episodes(self) -> int:
        """How many episodes the folder shall hold."""
        ...

    @property
    def seconds(self) -> float:
        """Longest episode [s]."""
        ...

    @property
    def task(self) -> str:
        """A few words that are kept with each episode."""
        ...

    @property
    def json(self) -> bool:
        """Whether the figures are printed as JSON."""
        ...


Wiring = Callable[[Opened, PolicyHandle], tuple[Drive, Policy]]
"""Given the robot and the opened policy, who drives and what decides."""


def already_full(config: SessionOptions, counts: Counter[Outcome]) -> dict[str, object] | None:
    """Say so, and return the figures, where the folder holds enough episodes already; None where it does not. `counts`
    are the episodes that it holds.
    """
    kept = counts.total() - counts["discarded"]
    if not (said := full(config.folder, kept, config.episodes)):
        return None
    console.print(said, highlight=False, soft_wrap=True)
    by_outcome = {str(outcome): count for outcome, count in counts.items()}
    return {"folder": str(config.folder), "episodes": kept, **by_outcome, "losses": []}


def script_size(config: SessionOptions, counts: Counter[Outcome]) -> tuple[int, float, int]:
    """What a scripted operator is made for: episodes that are missing, their length [s], and a seed."""
    kept = counts.total() - counts["discarded"]
    return max(0, config.episodes - kept), config.seconds, config.robot.noise + kept


def run_session(session: RecordingSession, panel: Panel, cockpit: Cockpit | None, *beside: Log) -> None:
    """Run a session that is shown at the terminal and on the page; other logs of the ticks are `beside`."""
    with panel.log(cockpit) as page, Screen(lambda: session.status, session.enough) as screen:
        session.run(*beside, views=[page, screen])


@contextlib.contextmanager
def open_session(
    config: SessionOptions, counts: Mapping[Outcome, int], wire: Wiring, operator: Operator, gait: str = ""
) -> Iterator[RecordingSession]:
    """Open everything that a session needs. Its figures are final once the block is left.

    `counts` are the episodes that the folder holds; `operator` may stop the robot at any moment; `gait` walks below a
    policy that steers by a camera, and may be the person's.
    """

    def why() -> str:
        return session.cause()

    with contextlib.ExitStack() as stack:
        imu = needs_imu(config.policy, config.robot) | gait_needs_imu(gait, config.robot)
        below = gait if steers(config.policy) else ""
        brake = Brake()
        if "keyboard" not in config.who.operator:
            stack.enter_context(attended(brake))
        watched = Watched(operator, brake)
        opener = open_robot(config.robot, needs_imu=imu, realtime=config.who.live, watch=watched.ask)
        opened = stack.enter_context(opener)
        stack.enter_context(brake.on(opened.stop))
        if isinstance(operator, Attention):
            stack.enter_context(operator.attending(opened.stop))
        handle = stack.enter_context(open_policy(config.policy, opened.spec, opened.plan, gait=below))
        name_slow_cameras(handle, opened)
        info = {"task": config.task, "operator": " ".join(config.who.operator), "policy": config.policy}
        recording = stack.enter_context(open_recording(recorder_of(opened, config.folder, info), warn))
        drive, policy = wire(opened, handle)
        episodes = EpisodeStateMachine(
            recording.recorder, recording.label, lambda: drive.intent, _limits(config, opened),
            counts, recording.note, why,
        )  # fmt: skip
        stack.enter_context(episodes)
        recording.refusals = episodes.refusals
        stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        lateness = Lateness(opened.spec.period)
        session = RecordingSession(opened, drive, policy, episodes, lateness, config.episodes, config.who.live)
        session.name, session.handle = config.policy, handle
        session.recording, session.brake = recording, brake
        watched.show = session.show
        yield session


def _limits(config: SessionOptions, opened: Opened) -> SessionConfig:
    return SessionConfig(opened.spec.rate, config.seconds if config.who.live else 2 * config.seconds)


class Watched:
    """Shows the robot while it moves by itself, and lets whoever can be heard between ticks stop it."""

    def __init__(self, operator: Operator, brake: Brake) -> None:
        self._hear: Watch = operator.watch if isinstance(operator, Attention) else unattended
        self._brake = brake
        self.show: Callable[[Observation], None] = lambda obs: None

    def ask(self, obs: Observation) -> str:
        """Fits `Watch`."""
        self.show(obs)
        return self._hear(obs) or self._brake.watch(obs)
